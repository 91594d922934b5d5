package alerting

import (
	"iter"

	"github.com/prometheus/alertmanager/pkg/labels"
)

// index finds by an alert's labels the few of many rules that may match it: each rule stands under one label value that
// it asks for, and those that ask for none are always candidates.
type index struct {
	byValue map[string]map[string][]int // label name, then value
	others  []int
}

func (x *index) add(i int, matchers Matchers) {
	for _, m := range matchers {
		if m.Type != labels.MatchEqual || m.Value == "" {
			continue
		}
		if x.byValue == nil {
			x.byValue = map[string]map[string][]int{}
		}
		if x.byValue[m.Name] == nil {
			x.byValue[m.Name] = map[string][]int{}
		}
		x.byValue[m.Name][m.Value] = append(x.byValue[m.Name][m.Value], i)
		return
	}
	x.others = append(x.others, i)
}

// candidates yields every rule that may match the labels, each once, in no order.
func (x *index) candidates(labels map[string]string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for name, byValue := range x.byValue {
			for _, i := range byValue[labels[name]] {
				if !yield(i) {
					return
				}
			}
		}
		for _, i := range x.others {
			if !yield(i) {
				return
			}
		}
	}
}
