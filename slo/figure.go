package slo

import (
	"math/big"
	"strconv"
	"strings"
)

// percent returns the exact share of good events in per cent; ok is false without traffic.
func (c Counts) percent() (exact *big.Rat, ok bool) {
	good, total := new(big.Rat).SetFloat64(c.Good), new(big.Rat).SetFloat64(c.Total)
	if good == nil || total == nil || total.Sign() <= 0 {
		return nil, false
	}
	exact = new(big.Rat).Quo(good, total)
	return exact.Mul(exact, big.NewRat(100, 1)), true
}

// FloorPercent returns the share of good events in per cent with so many decimals, cut off and never rounded up:
// 998996 of 1000000 is "99.89" with two. It is computed exactly, from the counts. "" is no traffic.
func (c Counts) FloorPercent(decimals int) string {
	exact, ok := c.percent()
	if !ok {
		return ""
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	n := new(big.Int).Mul(exact.Num(), scale)
	digits := n.Quo(n, exact.Denom()).String() // both are positive, so Quo is floor
	if decimals == 0 {
		return digits
	}
	if short := decimals + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	point := len(digits) - decimals
	return digits[:point] + "." + digits[point:]
}

// below reports whether the exact share lies under bound per cent, where bound is the decimal that people wrote (99.9
// is 999/10, not the nearest float). Exactly at the bound is not below it.
func (c Counts) below(bound float64) bool {
	exact, ok := c.percent()
	if !ok {
		return false
	}
	written, ok := new(big.Rat).SetString(strconv.FormatFloat(bound, 'f', -1, 64))
	return ok && exact.Cmp(written) < 0
}

// decimalsOf counts the decimals people wrote: 2 for 99.95.
func decimalsOf(x float64) int {
	_, fraction, _ := strings.Cut(strconv.FormatFloat(x, 'f', -1, 64), ".")
	return len(fraction)
}

// credit returns the credit of the lowest tier that the figure is below, and 0 for none and without traffic.
func (p Promise) credit(c Counts) float64 {
	credit, lowest := 0.0, 0.0
	for _, t := range p.Credits {
		if c.below(t.Below) && (credit == 0 || t.Below < lowest) {
			credit, lowest = t.Credit, t.Below
		}
	}
	return credit
}

// decimals returns how many decimals a displayed figure needs so that cutting it off cannot hide or make a breach: two,
// or as many as the objective and its tiers have.
func (p Promise) decimals() int {
	n := max(2, decimalsOf(float64(p.Objective)))
	for _, t := range p.Credits {
		n = max(n, decimalsOf(t.Below))
	}
	return n
}
