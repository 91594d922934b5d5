package engine

import (
	"context"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// ownLabels makes scraped labels safe to keep. The protobuf parser of the scrape library hands out strings that point
// into the scrape's buffer, which the next scrape overwrites; with the default build of labels they reach the storage as
// they are, and series turn into others or are found no more. (Builds with the tag stringlabels copy them anyway.)
type ownLabels struct{ storage.Appendable }

// Appender returns an appender that copies the labels of new series.
func (o ownLabels) Appender(ctx context.Context) storage.Appender {
	return &ownLabelsAppender{o.Appendable.Appender(ctx)}
}

type ownLabelsAppender struct{ storage.Appender }

// Append copies the labels of a series that it is not told the number of. A staleness marker comes with labels that the
// scrape loop has kept and shares with the storage, so those must not be written to.
func (a *ownLabelsAppender) Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	switch {
	case ref != 0:
	case value.IsStaleNaN(v):
		l = copied(l)
	default:
		detach(l)
	}
	return a.Appender.Append(ref, l, t, v)
}

// AppendHistogram is Append for a native histogram, whose staleness markers are plain samples.
func (a *ownLabelsAppender) AppendHistogram(ref storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	switch {
	case ref != 0:
	case h != nil && value.IsStaleNaN(h.Sum) || fh != nil && value.IsStaleNaN(fh.Sum):
		l = copied(l)
	default:
		detach(l)
	}
	return a.Appender.AppendHistogram(ref, l, t, h, fh)
}

// copied returns the same labels in memory of their own.
func copied(l labels.Labels) labels.Labels {
	l = l.Copy()
	detach(l)
	return l
}
