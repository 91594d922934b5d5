package incidents

// Relation is how another incident hangs together with one.
type Relation string

// The relations.
const (
	RelationMergedInto Relation = "merged_into" // it goes on there
	RelationMerged     Relation = "merged"      // that one was merged into it
	RelationFollows    Relation = "follows"     // it opens that one anew
	RelationReopened   Relation = "reopened_as" // that one opens it anew
	RelationSplitFrom  Relation = "split_from"  // its alerts were there first
	RelationSplit      Relation = "split_off"   // that one took alerts of it along
)

// Related is another incident that hangs together with one.
type Related struct {
	Relation Relation `json:"relation"`
	ID       string   `json:"id"`
	Number   int64    `json:"number"`
	Title    string   `json:"title"`
	State    State    `json:"state"`
	Level    Level    `json:"level"`
}
