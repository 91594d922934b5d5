package main

import (
	"context"

	"github.com/nines-sre/nines/slo/backtest"
)

func (a *cli) backtestShow(ctx context.Context, replay *backtest.Replay, o backtestFlags) error {
	return a.show(replay.Result(), func() {})
}
