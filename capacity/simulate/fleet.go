package simulate

import "time"

// fleet is a workload's pods, the oldest first. A pod takes load once it is ready; when there are too many, the youngest
// go first, at once.
type fleet struct {
	provisioning time.Duration
	batches      []batch
	total        int
}

// batch is pods that began together.
type batch struct {
	n     int
	begun time.Time
}

// scale brings the fleet to n pods.
func (f *fleet) scale(now time.Time, n int) {
	if n > f.total {
		f.batches = append(f.batches, batch{n - f.total, now})
	}
	for surplus := f.total - n; surplus > 0; {
		last := &f.batches[len(f.batches)-1]
		gone := min(surplus, last.n)
		last.n -= gone
		surplus -= gone
		if last.n == 0 {
			f.batches = f.batches[:len(f.batches)-1]
		}
	}
	f.total = n
}

// settle merges what has long been ready, so that a replay of months stays quick.
func (f *fleet) settle(now time.Time, long time.Duration) {
	for len(f.batches) > 1 && now.Sub(f.batches[1].begun) > long {
		f.batches[0] = batch{f.batches[0].n + f.batches[1].n, f.batches[1].begun}
		f.batches = append(f.batches[:1], f.batches[2:]...)
	}
}

// ready is how many pods take load.
func (f *fleet) ready(now time.Time) int {
	n := 0
	for _, b := range f.batches {
		if now.Sub(b.begun) < f.provisioning {
			break
		}
		n += b.n
	}
	return n
}

// counted is how many pods' metrics count for the controller, whose newest sample is lag old and covers window: those that
// are ready, and either past their initialisation period or ready for as long as the sample covers. loaded is how many of
// them took load when the sample was taken.
func (f *fleet) counted(now time.Time, m Metering) (counted, loaded int) {
	for _, b := range f.batches {
		age := now.Sub(b.begun)
		if age < f.provisioning {
			break
		}
		sampled := age - m.Lag - f.provisioning // since it became ready, when the sample was taken
		if age < m.Initialization && sampled < m.Window {
			break
		}
		counted += b.n
		if sampled >= 0 {
			loaded += b.n
		}
	}
	return counted, loaded
}
