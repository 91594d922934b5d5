package simulate

import "math"

// Predictive adds a forecast to an HPA: it wants the higher of what the HPA recommends and of what the outlook's upper
// bound needs at the forecast's target, and then keeps to the HPA's stabilisation and rate limits. So a forecast only ever
// adds replicas; to take some away, the load must have fallen too.
type Predictive struct {
	scaler  *Autoscaler
	setup   Setup
	outlook Outlook
	target  float64
}

// NewPredictive returns the policy of an HPA and an outlook, sized so that the forecast load uses the target share of
// replicas.
func NewPredictive(h HPA, s Setup, o Outlook, target float64) Predictive {
	return Predictive{NewAutoscaler(h), s, o, target}
}

// Replicas implements Policy.
func (p Predictive) Replicas(v View) int {
	wanted, known := p.scaler.Proportional(v.Measured)
	upper := p.outlook.at(v.Now, p.setup.Metering.Lag)
	if !math.IsNaN(upper) {
		if !known {
			wanted = v.Measured.Replicas
		}
		wanted, known = max(wanted, ceil(upper/(p.target*p.setup.PerReplica))), true
	}
	if !known {
		return v.Measured.Replicas
	}
	return p.scaler.Scale(v.Now, v.Measured.Replicas, wanted)
}
