package incidents

import "slices"

// Except leaves out what a change would tell those who said it themselves: an acknowledgement, a resolution or a note that
// came from a target is not told there again. Pages that call people stay.
func (c Change) Except(origin func(Target) bool) Change {
	if origin == nil {
		return c
	}
	c.Pages = slices.DeleteFunc(slices.Clone(c.Pages), func(p Page) bool {
		return p.Action != ActionTrigger && origin(p.Target)
	})
	return c
}
