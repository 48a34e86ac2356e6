package scopes

import (
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// maxCalls bounds a rate: beyond it a limit limits nothing.
const maxCalls = 1_000_000

const rateForm = `must be calls a minute, such as 60, or {"requests":60,"per":"second|minute|hour|day","burst":10}, each from 1 to 1000000, burst no more than requests`

var windows = map[string]int{"second": 1, "minute": 60, "hour": 3600, "day": 86400}

// ParseRate reads a stored rateLimit: a number of calls a minute, as Octonet
// counts them, or {"requests","per","burst"?}; burst is how many may come at once,
// all of them unless said. Text that is of no such form, which was stored before
// forms were held to, limits nothing.
func ParseRate(src []byte) mesh.Rate {
	v, err := fastjson.ParseBytes(src)
	if err != nil {
		return mesh.Rate{}
	}
	rate, _ := rateOf(v)
	return rate
}

func rateOf(v *fastjson.Value) (mesh.Rate, bool) {
	if v.Type() == fastjson.TypeNumber {
		n, ok := calls(v)
		return rateIf(mesh.Rate{Calls: n, Seconds: 60, Burst: n}, ok)
	}
	o, err := v.Object()
	if err != nil {
		return mesh.Rate{}, false
	}
	n, ok := calls(o.Get("requests"))
	r := mesh.Rate{Calls: n, Seconds: windows[string(o.Get("per").GetStringBytes())], Burst: n}
	members := 2
	if b := o.Get("burst"); b != nil {
		burst, valid := calls(b)
		r.Burst, ok = burst, ok && valid && burst <= n
		members++
	}
	return rateIf(r, ok && r.Seconds > 0 && o.Len() == members)
}

func rateIf(r mesh.Rate, ok bool) (mesh.Rate, bool) {
	if !ok {
		return mesh.Rate{}, false
	}
	return r, true
}

func calls(v *fastjson.Value) (int, bool) {
	if v == nil {
		return 0, false
	}
	n, err := v.Int()
	return n, err == nil && n >= 1 && n <= maxCalls
}
