package slo

import "time"

// Told returns the change after a tool said that it went, and how, whatever the gate thought of it: outcome is "" while
// it is under way. Telling it again changes nothing, and a second outcome does not replace the first.
func (c Change) Told(began time.Time, outcome string, now time.Time) (Change, error) {
	if c.BeganAt == nil && outcome != OutcomeAborted {
		c.BeganAt = &began
	}
	if outcome == "" || c.FinishedAt != nil {
		return c, nil
	}
	return c.Finished(outcome, now)
}
