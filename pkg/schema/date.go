package schema

// The bounds of a date in milliseconds since 1970: years 0001 to 9999, UTC.
const (
	minTime = -62135596800000
	maxTime = 253402300799999
)

// ParseTime reads an instant: RFC 3339 with any offset, or a plain date, which
// means midnight UTC. What is below a millisecond is cut off. It is false for
// another text, for a date that does not exist and outside the years 0001 to
// 9999. It does not allocate.
func ParseTime(s string) (ms int64, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	year, ok1 := number(s[0:4])
	month, ok2 := number(s[5:7])
	day, ok3 := number(s[8:10])
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	ms = daysSince1970(year, month, day) * 86400000
	if len(s) > 10 {
		clock, ok := parseClock(s[10:])
		if !ok {
			return 0, false
		}
		ms += clock
	}
	return ms, ms >= minTime && ms <= maxTime
}

// parseClock reads T15:04:05, a fraction and an offset; the result is in UTC,
// so it may be negative or more than a day.
func parseClock(s string) (ms int64, ok bool) {
	if len(s) < 10 || s[0]|0x20 != 't' || s[3] != ':' || s[6] != ':' {
		return 0, false
	}
	h, ok1 := number(s[1:3])
	m, ok2 := number(s[4:6])
	sec, ok3 := number(s[7:9])
	if !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || sec > 59 {
		return 0, false
	}
	ms = int64(h*3600+m*60+sec) * 1000
	s = s[9:]
	if s[0] == '.' {
		n := 1
		for unit := int64(100); n < len(s) && s[n]-'0' <= 9; n++ {
			ms += int64(s[n]-'0') * unit
			unit /= 10
		}
		if n == 1 || n == len(s) {
			return 0, false
		}
		s = s[n:]
	}
	if len(s) == 1 {
		return ms, s[0]|0x20 == 'z'
	}
	if len(s) != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':' {
		return 0, false
	}
	h, ok1 = number(s[1:3])
	m, ok2 = number(s[4:6])
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, false
	}
	offset := int64(h*60+m) * 60000
	if s[0] == '-' {
		offset = -offset
	}
	return ms - offset, true
}

func number(s string) (n int, ok bool) {
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince1970 and civil convert between a date of the proleptic Gregorian
// calendar and days since 1970-01-01, counting in years that begin in March, so
// that the leap day is the last of its year.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return int64(era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468)
}

func civil(days int64) (year, month, day int) {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	d := int(days - era*146097)
	y := (d - d/1460 + d/36524 - d/146096) / 365
	dayOfYear := d - (365*y + y/4 - y/100)
	m := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*m+2)/5 + 1
	month, year = m+3, y+int(era)*400
	if month > 12 {
		month, year = month-12, year+1
	}
	return year, month, day
}

// pairs are the two digits of 0 to 99: half of the divisions, and half of the
// time, of writing digits one by one.
const pairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495" +
	"051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// AppendTime appends an instant in TimeLayout, without quotes. One outside the
// years 0001 to 9999, which no way in lets pass, is written as the nearest
// inside.
func AppendTime(dst []byte, ms int64) []byte {
	since := uint64(min(max(ms, minTime), maxTime) - minTime)
	rest := uint32(since % 86400000)
	year, month, day := civil(int64(since/86400000) + minTime/86400000)
	sec, milli := rest/1000, rest%1000
	y1, y2, mo, d := year/100*2, year%100*2, month*2, day*2
	h, m, s, ml := sec/3600*2, sec/60%60*2, sec%60*2, milli/10*2
	return append(dst,
		pairs[y1], pairs[y1+1], pairs[y2], pairs[y2+1], '-', pairs[mo], pairs[mo+1], '-', pairs[d], pairs[d+1], 'T',
		pairs[h], pairs[h+1], ':', pairs[m], pairs[m+1], ':', pairs[s], pairs[s+1], '.',
		pairs[ml], pairs[ml+1], byte('0'+milli%10), 'Z')
}
