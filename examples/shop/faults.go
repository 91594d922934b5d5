package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a fault does to a request.
const (
	modeNone   = ""
	modeErrors = "errors" // answers 500
	modeSlow   = "slow"   // answers well, after slowness
)

// slowness is above the promise about latency, and below what clients wait for.
const slowness = 400 * time.Millisecond

// all is the name for every customer.
const all = "all"

// fault is what is wrong with one customer.
type fault struct {
	mode   string
	region string  // "" for every region
	share  float64 // of the requests that it strikes, 0..1
	since  time.Time
}

// faults is the fault switch.
type faults struct {
	mu     sync.Mutex
	random *rand.Rand
	broken map[string]fault
}

func newFaults(seed uint64) *faults {
	return &faults{random: random(seed, 2), broken: map[string]fault{}}
}

// random returns a source that repeats itself for the same seed other than 0; purpose keeps several apart.
func random(seed, purpose uint64) *rand.Rand {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return rand.New(rand.NewPCG(seed, purpose))
}

// strike decides what becomes of one request.
func (f *faults) strike(tenant, region string) (mode string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	is, broken := f.broken[tenant]
	if !broken || (is.region != "" && is.region != region) {
		return modeNone
	}
	if is.share < 1 && f.random.Float64() >= is.share {
		return modeNone
	}
	return is.mode
}

// set breaks a customer, or all of them, and returns what is broken now in words.
func (f *faults) set(tenant, region, mode, share string) (string, error) {
	whom, err := chosen(tenant)
	if err != nil {
		return "", err
	}
	is := fault{mode: mode, region: region, share: 1, since: time.Now().UTC()}
	if mode == "" {
		is.mode = modeErrors
	}
	if is.mode != modeErrors && is.mode != modeSlow {
		return "", fmt.Errorf("mode=%q is not known; it is errors or slow", mode)
	}
	if region != "" && region != "eu" && region != "us" {
		return "", fmt.Errorf("region=%q is not known; it is eu or us", region)
	}
	if share != "" {
		if is.share, err = parseShare(share); err != nil {
			return "", err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range whom {
		f.broken[t] = is
	}
	return fmt.Sprintf("%s, %s", strings.Join(whom, ", "), is), nil
}

// heal mends a customer, or all of them where none is named.
func (f *faults) heal(tenant string) (string, error) {
	if tenant == "" {
		tenant = all
	}
	whom, err := chosen(tenant)
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range whom {
		delete(f.broken, t)
	}
	return strings.Join(whom, ", "), nil
}

func chosen(tenant string) ([]string, error) {
	switch {
	case tenant == all:
		return tenants, nil
	case slices.Contains(tenants, tenant):
		return []string{tenant}, nil
	}
	return nil, fmt.Errorf("say for whom: tenant=%s or tenant=all", strings.Join(tenants, ", tenant="))
}

// parseShare reads 25% or 0.25.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(number, 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x > 0 && x <= 1) {
		return 0, fmt.Errorf("share=%q is not a share; write 25%% or 0.25", text)
	}
	return x, nil
}

// String says what happens to the customer.
func (f fault) String() string {
	where := ""
	if f.region != "" {
		where = " in " + f.region
	}
	if f.mode == modeSlow {
		return fmt.Sprintf("%.3g %% of requests%s take %v", f.share*100, where, slowness)
	}
	return fmt.Sprintf("%.3g %% of requests%s fail", f.share*100, where)
}

// faultView is one fault as it is shown.
type faultView struct {
	Tenant string    `json:"tenant"`
	Region string    `json:"region,omitempty"`
	Mode   string    `json:"mode"`
	Share  float64   `json:"share"`
	Since  time.Time `json:"since"`
}

func (f *faults) list() []faultView {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []faultView{}
	for _, tenant := range tenants {
		if is, broken := f.broken[tenant]; broken {
			out = append(out, faultView{tenant, is.region, is.mode, is.share, is.since})
		}
	}
	return out
}
