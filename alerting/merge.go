package alerting

import (
	"maps"
	"slices"
)

// Merge returns what is known of an alert after another telling of it, for the same fingerprint. Where both spans
// overlap it is one alert: it began at the earliest start; while it fires its latest end counts; when it has ended, the
// end counts that the later telling gives, and the latest of the two where both have ended. Without overlap it is the
// trouble anew, and the later telling replaces the earlier. Annotations and the generator's URL are those last told;
// the incident stays with an overlapping alert. An end says no more than that it is over: the labels stay, and so do the
// annotations unless it brings some, because a source that knows its alerts by a key may send nothing else. Both are
// judged at the time of the later telling, so the order of arrival does not matter.
func Merge(old, new Alert) Alert {
	if new.UpdatedAt.Before(old.UpdatedAt) {
		old, new = new, old
	}
	if !old.continuedBy(new) {
		return new
	}
	merged := new
	if old.StartsAt.Before(new.StartsAt) {
		merged.StartsAt = old.StartsAt
	}
	now := new.UpdatedAt
	if (new.Firing(now) || !old.Firing(now)) && old.EndsAt.After(new.EndsAt) {
		merged.EndsAt = old.EndsAt
	}
	if merged.Incident == "" {
		merged.Incident = old.Incident
	}
	if !new.Firing(now) {
		merged.Labels = old.Labels
		if len(new.Annotations) == 0 {
			merged.Annotations = old.Annotations
		}
	}
	return merged
}

// continuedBy reports whether the later telling is about the same trouble: both spans share time. An end that is told
// again touches what it ended, whatever start it gives; a new firing that starts just when the old one ended is apart.
func (a Alert) continuedBy(later Alert) bool {
	if a.StartsAt.Equal(later.StartsAt) {
		return true
	}
	if later.EndsAt.Before(a.StartsAt) {
		return false
	}
	if later.Firing(later.UpdatedAt) {
		return later.StartsAt.Before(a.EndsAt)
	}
	return !later.StartsAt.After(a.EndsAt)
}

func sortedNames(pairs map[string]string) []string { return slices.Sorted(maps.Keys(pairs)) }
