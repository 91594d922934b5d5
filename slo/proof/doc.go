// Package proof holds the rules to the truth: it simulates services second by second, scrapes them as Prometheus does, and
// compares what the rules make of it with what happened. It is tests and benchmarks only; make bench prints its figures.
package proof
