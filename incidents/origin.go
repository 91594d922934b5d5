package incidents

import "slices"

// Except leaves out what a change would tell those who said it themselves: an acknowledgement or a resolution that came
// from a provider is not told to it again. Pages that call people stay.
func (c Change) Except(origin func(Target) bool) Change {
	if origin == nil {
		return c
	}
	c.Pages = slices.DeleteFunc(slices.Clone(c.Pages), func(p Page) bool {
		return (p.Action == ActionAcknowledge || p.Action == ActionResolve) && origin(p.Target)
	})
	return c
}
