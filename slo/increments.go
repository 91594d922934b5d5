package slo

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// increments writes PromQL for a counter's exact growth over one base interval.
//
// With A the counter's last sample now and B its last sample one interval ago, the growth is A-B. Consecutive
// evaluations telescope: the B of one is the A of the one before, so every event is counted exactly once, however the
// scrapes fall, and growth across a scrape gap shorter than history is counted when the scrapes come back. rate() and
// increase() extrapolate, drop a series' first value and cannot see across a gap.
//
// Both look back by settle more: a scrape's sample is stamped with the scrape's start but only visible once it is
// committed. Without the delay, one that is stamped just before an evaluation and committed just after would be too late
// for that A, and yet be the next B: lost from both. So settle must be at least as long as a scrape takes.
//
// The group's interval must be the same as interval. An evaluation that an engine misses leaves a gap, which the
// ledger shows; our own engine makes up for it by evaluating again at the time that was missed, others don't.
type increments struct {
	interval, settle time.Duration
	outlive          bool // counters outlive the target's process: a first sample is only a baseline
}

// recent is how old a counter's last sample may be to count as present: five intervals, which leaves room for slower
// scrapes, between a minute and ten.
func (i increments) recent() time.Duration {
	return min(max(5*i.interval, time.Minute), 10*time.Minute)
}

// history is how long a scrape gap may be to be made up for: an hour, less below 15 seconds, where reading an hour of
// samples at each evaluation would cost more than it is worth.
func (i increments) history() time.Duration {
	return min(max(240*i.interval, 10*time.Minute), time.Hour)
}

// freshProcess is how long after its start a process' first sample still counts from zero.
const freshProcess = 5 * time.Minute

// reading is how a sample is read as a number that only grows.
type reading struct {
	histogram string // format of the number taken from a histogram's sample; "" where the sample is the number
}

// counterReading takes a counter's samples as they are.
var counterReading = reading{}

func (r reading) last(series, span, offset string) string {
	text := "last_over_time(" + series + "[" + span + "] offset " + offset + ")"
	if r.histogram != "" {
		return fmt.Sprintf(r.histogram, text)
	}
	return text
}

// at is the reading of the moment, which there is only of a series that has not ended.
func (r reading) at(series, offset string) string {
	text := series + " offset " + offset
	if r.histogram != "" {
		return fmt.Sprintf(r.histogram, text)
	}
	return text
}

// peak is the highest reading of the interval. A histogram's is looked for four times in it.
func (r reading) peak(series string, interval time.Duration, offset string) string {
	if r.histogram == "" {
		return "max_over_time(" + series + "[" + promDuration(interval) + "] offset " + offset + ")"
	}
	return "max_over_time((" + fmt.Sprintf(r.histogram, series) + ")[" + promDuration(interval) + ":" + promDuration(interval/4) + "] offset " + offset + ")"
}

// of returns the growth of each series of the selector, without a sum around it. Its branches, in order:
//  1. the steady case, also across a gap, but not where the process was started anew in this interval;
//  2. the counter went down within the interval, so it was reset: it grew to its peak, and from zero to where it is (only
//     what no scrape saw is lost; a value that is not a number is dropped). Or it was there an interval ago, and is lower
//     or of a process that was started anew: it grew from zero to where it is;
//  3. the series is new, or was reset during a gap, on a target that was scraped successfully before, or whose process is
//     new: it began at zero, unseen, as with the first error ever.
//
// Otherwise a first sample is only a baseline: what a long-running process counted before anyone watched is not ours.
// The last sample before an interval may be an hour old, after a gap in scraping. But where the target was scraped then,
// the series was not there and the process is young, that sample is of the process before, whose errors are not a base
// for this one's. Only the steady case looks back far, because each branch that does reads all the samples on its way
// again; in the others something happened in this very interval.
//
// Counters that outlive their target's process know the first case alone, and a reset of their own.
func (i increments) of(vs *parser.VectorSelector, r reading) string {
	own := vs.OriginalOffset
	bare := *vs
	bare.OriginalOffset = 0
	series, target := bare.String(), targetMatchers(vs)
	now, before := own+i.settle, own+i.settle+i.interval
	nowText, beforeText, recent, history := promDuration(now), promDuration(before), promDuration(i.recent()), promDuration(i.history())
	const unless, on, or = " unless on (job, instance) ", " and on (job, instance) ", "\n  or\n"
	last, far := r.last(series, recent, nowText), r.last(series, history, beforeText)
	fresh := r.last(series, promDuration(i.interval), nowText)
	older := r.last(series, promDuration(min(2*i.interval, i.recent())), beforeText)
	reset := "((" + fresh + " >= 0) + (clamp_min((" + r.peak(series, i.interval, nowText) + " > " + fresh + ") - " + older + ", 0) or 0 * (" +
		r.at(series, beforeText) + " >= bool 0)))"
	if i.outlive {
		return "(" + last + " - " + far + ") >= 0" + or + reset
	}
	start, up := "process_start_time_seconds{"+target+"}", "up{"+target+"}"
	restarted := "(" + start + " offset " + nowText + " > last_over_time(" + start + "[" + recent + "] offset " + beforeText + "))"
	young := "(" + up + " offset " + beforeText + " == 1" + on + "(time() - " + start + " offset " + nowText + " < " + seconds(i.history()+2*i.recent()) + "))"
	base := "(" + r.at(series, beforeText) + " or (" + far + unless + young + "))"
	return "((" + last + " - " + base + ") >= 0 unless (" + r.at(series, nowText) + on + restarted + "))" + or +
		reset + or +
		"(" + fresh + " >= 0" + on + "((max_over_time(" + up + "[" + history + "] offset " + beforeText + ") == 1) or (time() - last_over_time(" + start +
		"[" + promDuration(i.interval) + "] offset " + nowText + ") < " + seconds(freshProcess) + ")))"
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// boundMatcher matches the bucket of the bound, in whichever way the client or the engine wrote it.
func boundMatcher(sli SLI) *labels.Matcher {
	spellings := bucketBounds(sli.bound())
	for i, s := range spellings {
		spellings[i] = regexp.QuoteMeta(s)
	}
	return labels.MustNewMatcher(labels.MatchRegexp, "le", strings.Join(spellings, "|"))
}
