package driver

import (
	"cmp"
	"slices"
)

// Links does what Reader.Links does where one question takes at most that many
// ids: the answers of several are put into one order, without what stands in two.
func Links(ids []string, most int, each func(owner, target string) error, ask func(ids []string, each func(owner, target string) error) error) error {
	if len(ids) == 0 {
		return nil
	}
	if len(ids) <= most {
		return ask(ids, each)
	}
	var all [][2]string
	for chunk := range slices.Chunk(ids, most) {
		err := ask(chunk, func(owner, target string) error {
			all = append(all, [2]string{owner, target})
			return nil
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(all, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, l := range slices.Compact(all) {
		if err := each(l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}
