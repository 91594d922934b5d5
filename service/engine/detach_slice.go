//go:build !stringlabels && !dedupelabels

package engine

import (
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// detach gives the labels' strings memory of their own, in place: the scrape loop keeps the same slice, to end the series
// with when it is gone.
func detach(l labels.Labels) {
	for i := range l {
		l[i].Name, l[i].Value = strings.Clone(l[i].Name), strings.Clone(l[i].Value)
	}
}
