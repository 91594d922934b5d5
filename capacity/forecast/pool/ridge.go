package pool

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// ridge is a linear autoregression on chosen lags, fitted by least squares with a ridge penalty and forecasting step by
// step from its own forecasts. Newer values count more.
//
// The sums that a fit needs are carried from one origin to the next, so that all origins together cost one pass.
type ridge struct {
	logs bool
	back int   // the model is of differences to the value that many steps back; 0 for none
	lags []int // ascending
	keep float64
}

// Settings of the regression.
const (
	penalty   = 1e-3 // of squared standardised coefficients, relative to the rows
	farthest  = 8.0  // standard deviations from the mean beyond which no forecast step goes
	halfCycle = 14.4 // cycles of the shortest kind after which a value counts half: a fortnight of days
)

func (m ridge) name() string {
	name := "autoregression"
	if m.logs {
		name += " of logs"
	}
	if m.back > 0 {
		name += fmt.Sprintf(", differenced by %d", m.back)
	}
	return name
}

func (m ridge) paths(s Series, origins []int, ahead int) [][]float64 {
	if len(m.lags) == 0 || origins[0]-m.back-m.lags[len(m.lags)-1] < 4*len(m.lags) {
		return nil
	}
	t := identity
	if m.logs {
		t = logsOf(s.until(origins[0]))
	}
	u := t.of(s.Values)
	z := differences(u, m.back)
	sums := newSums(len(m.lags), z[m.back:origins[0]])
	out := make([][]float64, len(origins))
	row, k := make([]float64, len(m.lags)), 0
	for i := m.back + m.lags[len(m.lags)-1]; ; i++ {
		for k < len(origins) && origins[k] == i {
			fit, ok := sums.solve()
			if !ok {
				return nil
			}
			out[k] = m.path(u[:i:i], z[:i:i], fit, ahead)
			for h := range out[k] {
				out[k][h] = t.back(out[k][h])
			}
			k++
		}
		if k == len(origins) {
			return out
		}
		if s.masked(i) || m.back > 0 && s.masked(i-m.back) {
			continue
		}
		for j, lag := range m.lags {
			row[j] = z[i-lag]
		}
		sums.add(row, z[i], m.keep)
	}
}

// differences returns z[i] = u[i] - u[i-back]; the first back of them are zero and not for use.
func differences(u []float64, back int) []float64 {
	if back == 0 {
		return u
	}
	z := make([]float64, len(u))
	for i := back; i < len(u); i++ {
		z[i] = u[i] - u[i-back]
	}
	return z
}

// path goes ahead steps on from the values u and their differences z.
func (m ridge) path(u, z []float64, fit fit, ahead int) []float64 {
	n := len(z)
	z, u = append(z, make([]float64, ahead)...), append(u, make([]float64, ahead)...)
	for h := range ahead {
		at, x := n+h, fit.intercept
		for j, lag := range m.lags {
			x += fit.coefficients[j] * z[at-lag]
		}
		z[at] = min(max(x, fit.lowest), fit.highest)
		u[at] = z[at]
		if m.back > 0 {
			u[at] += u[at-m.back]
		}
	}
	return u[n:]
}

// sums are the weighted cross products that a fit needs, of values relative to an offset that keeps them small.
type sums struct {
	p      int
	offset float64
	gram   []float64 // p+2 by p+2, the lower triangle: the lags, the target, and one for the weights
	row    []float64
}

func newSums(p int, first []float64) *sums {
	q := p + 2
	s := &sums{p: p, gram: make([]float64, q*q), row: make([]float64, q)}
	for _, x := range first {
		s.offset += x / float64(len(first))
	}
	return s
}

// add counts one row, the ones before keeping the share keep of their weight.
func (s *sums) add(lags []float64, target, keep float64) {
	q := s.p + 2
	for j, x := range lags {
		s.row[j] = x - s.offset
	}
	s.row[s.p], s.row[s.p+1] = target-s.offset, 1
	for i, x := range s.row {
		to := s.gram[i*q : i*q+i+1]
		from := s.row[:len(to)]
		for j, y := range from {
			to[j] = keep*to[j] + x*y
		}
	}
}

// fit is a fitted regression: what comes next is intercept + coefficients·lags, within [lowest, highest].
type fit struct {
	coefficients    []float64
	intercept       float64
	lowest, highest float64
}

// solve returns the coefficients of the standardised problem, turned back. A column that never varies gets none.
func (s *sums) solve() (fit, bool) {
	p, q := s.p, s.p+2
	weight := s.gram[(q-1)*q+q-1]
	if !(weight > 0) {
		return fit{}, false
	}
	means := make([]float64, p+1)
	for j := range means {
		means[j] = s.gram[(q-1)*q+j] / weight
	}
	cov := func(i, j int) float64 { return s.gram[i*q+j]/weight - means[i]*means[j] } // i >= j
	deviations := make([]float64, p+1)
	for j := range deviations {
		deviations[j] = math.Sqrt(max(cov(j, j), 0))
	}
	f := fit{coefficients: make([]float64, p)}
	spread := max(deviations[p], slices.Max(deviations[:p]))
	f.lowest, f.highest = s.offset+means[p]-farthest*spread, s.offset+means[p]+farthest*spread
	if tiny := 1e-12 * (math.Abs(s.offset) + math.Abs(means[p])); deviations[p] <= tiny {
		f.intercept = s.offset + means[p]
		return f, true
	}
	system, right := mat.NewSymDense(p, nil), mat.NewVecDense(p, nil)
	for i := range p {
		for j := range i {
			if deviations[i] > 0 && deviations[j] > 0 {
				system.SetSym(i, j, cov(i, j)/deviations[i]/deviations[j])
			}
		}
		system.SetSym(i, i, 1+penalty)
		if deviations[i] > 0 {
			right.SetVec(i, cov(p, i)/deviations[i]/deviations[p])
		}
	}
	var factors mat.Cholesky
	var solution mat.VecDense
	if !factors.Factorize(system) || factors.SolveVecTo(&solution, right) != nil {
		return fit{}, false
	}
	f.intercept = s.offset + means[p]
	for j := range p {
		if deviations[j] > 0 {
			f.coefficients[j] = solution.AtVec(j) * deviations[p] / deviations[j]
			f.intercept -= f.coefficients[j] * (s.offset + means[j])
		}
	}
	return f, true
}
