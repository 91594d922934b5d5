// Package keda serves KEDA's external scaler contract over gRPC: KEDA and the autoscaler behind it ask for a workload's load
// and for what one replica may take of it, and scale by that. It leaves out where the figures come from.
//
// The metric is the load, with the target a replica may take, and never a wish for replicas with a target of 1: the
// autoscaler's tolerance of a tenth would swallow a replica more or less from ten replicas up.
package keda

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math"
	"net"
	"os"
	"time"

	"github.com/nines-sre/nines/capacity/scaler/keda/externalscaler"
	"github.com/nines-sre/nines/internal/fault"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

//go:generate protoc -I externalscaler --go_out=externalscaler --go_opt=paths=source_relative --go-grpc_out=externalscaler --go-grpc_opt=paths=source_relative externalscaler.proto

// Signal is what KEDA is told of a workload.
type Signal struct {
	Load   float64   // to be ready for, in the workload's unit
	Target float64   // of it that one replica may take, its headroom kept free
	At     time.Time // when it was found out
}

// Signals has the newest figures of the workloads.
type Signals interface {
	// Signal returns a workload's figures; false where there is no such workload or nothing is known of it yet.
	Signal(workload string) (Signal, bool)
}

// fresh is how old a signal may be. After that KEDA is told of an error, so that its own fallback counts.
const fresh = 5 * time.Minute

// MetricName is what the autoscaler calls the metric.
const MetricName = "nines-load"

// metadataWorkload is the key of a trigger's metadata that names the workload; without it the ScaledObject's name counts.
const metadataWorkload = "workload"

// Scaler answers KEDA. It is safe for concurrent use.
type Scaler struct {
	externalscaler.UnimplementedExternalScalerServer
	signals Signals
	now     func() time.Time
	look    time.Duration // between two looks of a stream
	done    chan struct{}
}

// New returns a scaler that answers from the signals.
func New(signals Signals) *Scaler {
	return &Scaler{signals: signals, now: time.Now, look: 5 * time.Second, done: make(chan struct{})}
}

// IsActive reports whether there is any load.
func (s *Scaler) IsActive(_ context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.IsActiveResponse, error) {
	signal, err := s.signal(ref)
	if err != nil {
		return nil, err
	}
	return &externalscaler.IsActiveResponse{Result: signal.Load > 0}, nil
}

// StreamIsActive tells at once whether there is any load, and then whenever that changes, until the caller leaves or the
// server stops. Figures that are away for a while end nothing: the next change is told.
func (s *Scaler) StreamIsActive(ref *externalscaler.ScaledObjectRef, stream grpc.ServerStreamingServer[externalscaler.IsActiveResponse]) error {
	if _, err := s.signal(ref); err != nil {
		return err
	}
	tick := time.NewTicker(s.look)
	defer tick.Stop()
	told, first := false, true
	for {
		if signal, err := s.signal(ref); err == nil && (first || signal.Load > 0 != told) {
			told, first = signal.Load > 0, false
			if err := stream.Send(&externalscaler.IsActiveResponse{Result: told}); err != nil {
				return err
			}
		}
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-s.done:
			return status.Error(codes.Unavailable, "the control plane is stopping")
		case <-tick.C:
		}
	}
}

// GetMetricSpec returns the metric and the load that one replica may take.
func (s *Scaler) GetMetricSpec(_ context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.GetMetricSpecResponse, error) {
	signal, err := s.signal(ref)
	if err != nil {
		return nil, err
	}
	spec := &externalscaler.MetricSpec{MetricName: MetricName, TargetSize: max(1, int64(math.Round(signal.Target))), TargetSizeFloat: signal.Target}
	return &externalscaler.GetMetricSpecResponse{MetricSpecs: []*externalscaler.MetricSpec{spec}}, nil
}

// GetMetrics returns the load.
func (s *Scaler) GetMetrics(_ context.Context, r *externalscaler.GetMetricsRequest) (*externalscaler.GetMetricsResponse, error) {
	if name := r.GetMetricName(); name != MetricName && name != "" {
		return nil, status.Errorf(codes.InvalidArgument, "there is no metric %q, only %s", name, MetricName)
	}
	signal, err := s.signal(r.GetScaledObjectRef())
	if err != nil {
		return nil, err
	}
	// KEDA reads the integer where the float is 0.
	value := &externalscaler.MetricValue{MetricName: MetricName, MetricValue: int64(math.Ceil(min(signal.Load, math.MaxInt64/2))), MetricValueFloat: signal.Load}
	return &externalscaler.GetMetricsResponse{MetricValues: []*externalscaler.MetricValue{value}}, nil
}

// signal returns what is known of the workload that the trigger names.
func (s *Scaler) signal(ref *externalscaler.ScaledObjectRef) (Signal, error) {
	name := ref.GetScalerMetadata()[metadataWorkload]
	if name == "" {
		name = ref.GetName()
	}
	signal, ok := s.signals.Signal(name)
	switch {
	case !ok:
		return signal, status.Errorf(codes.NotFound, "nothing is known of a workload %q; name one in the trigger's metadata as %s", name, metadataWorkload)
	case s.now().Sub(signal.At) > fresh:
		return signal, status.Errorf(codes.Unavailable, "the newest figures of %s are of %s", name, signal.At.UTC().Format(time.RFC3339))
	case !(signal.Target > 0) || !(signal.Load >= 0) || math.IsInf(signal.Load, 0):
		return signal, status.Errorf(codes.Unavailable, "the load of %s is unknown", name)
	}
	return signal, nil
}

// TLS says how the server proves itself, and whom it lets in. The zero value is plain text, for loopback and meshes.
type TLS struct {
	Cert     string // PEM file
	Key      string // PEM file
	ClientCA string // PEM file: callers must have a certificate of it; "" lets everybody in
}

// Serve answers on the listener until ctx ends, and then ends the streams. It owns the listener. Files that cannot be read
// are a fault.Invalid.
func (s *Scaler) Serve(ctx context.Context, listener net.Listener, t TLS) error {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(64 << 10), grpc.MaxConcurrentStreams(1000), grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	}
	if t.Cert != "" || t.Key != "" || t.ClientCA != "" {
		config, err := t.config()
		if err != nil {
			_ = listener.Close() // nothing was served on it
			return err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	server := grpc.NewServer(options...)
	externalscaler.RegisterExternalScalerServer(server, s)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		close(s.done)
		server.GracefulStop()
	}()
	err := server.Serve(listener)
	if ctx.Err() != nil {
		<-stopped
		return nil
	}
	return err
}

func (t TLS) config() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the certificate and key of the external scaler cannot be read")
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if t.ClientCA == "" {
		return config, nil
	}
	raw, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the client CA of the external scaler cannot be read")
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(raw) {
		return nil, fault.New(fault.Invalid, "the client CA of the external scaler has no certificate in it")
	}
	return config, nil
}
