package keda_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/scaler/keda"
	"github.com/nines-sre/nines/capacity/scaler/keda/externalscaler"
	"github.com/nines-sre/nines/internal/fault"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// board is what is known of the workloads.
type board struct {
	mu      sync.Mutex
	signals map[string]keda.Signal
}

func (b *board) Signal(workload string) (keda.Signal, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.signals[workload]
	return s, ok
}

func (b *board) set(workload string, load float64, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signals[workload] = keda.Signal{Load: load, Target: 8.5, At: at}
}

// serve runs a scaler on a real listener and returns a real client's connection.
func serve(t *testing.T, b *board, files keda.TLS, client credentials.TransportCredentials) (externalscaler.ExternalScalerClient, func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	scaler := keda.NewLooking(b, 5*time.Millisecond)
	go func() { ended <- scaler.Serve(ctx, l, files) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(client))
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(func() { _ = conn.Close(); stop() })
	return externalscaler.NewExternalScalerClient(conn), stop
}

func newBoard() *board { return &board{signals: map[string]keda.Signal{}} }

func ref(workload string) *externalscaler.ScaledObjectRef {
	return &externalscaler.ScaledObjectRef{Name: "web", Namespace: "shop", ScalerMetadata: map[string]string{"workload": workload}}
}

func TestKEDAIsToldTheLoadAndWhatOneReplicaTakes(t *testing.T) {
	t.Parallel()
	b := newBoard()
	b.set("shop", 102.5, time.Now())
	b.set("web", 3, time.Now())
	client, _ := serve(t, b, keda.TLS{}, insecure.NewCredentials())
	spec, err := client.GetMetricSpec(t.Context(), ref("shop"))
	if err != nil {
		t.Fatal(err)
	}
	if m := spec.MetricSpecs; len(m) != 1 || m[0].MetricName != keda.MetricName || m[0].TargetSizeFloat != 8.5 {
		t.Errorf("the metric is %v", spec)
	}
	got, err := client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: ref("shop"), MetricName: keda.MetricName})
	if err != nil || len(got.MetricValues) != 1 || got.MetricValues[0].MetricValueFloat != 102.5 || got.MetricValues[0].MetricValue != 103 {
		t.Errorf("the load is %v, %v", got, err)
	}
	if named, err := client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: ref("")}); err != nil || named.MetricValues[0].MetricValueFloat != 3 {
		t.Errorf("without metadata the object's name counts: %v, %v", named, err)
	}
	if active, err := client.IsActive(t.Context(), ref("shop")); err != nil || !active.Result {
		t.Errorf("active: %v, %v", active, err)
	}
	b.set("shop", 0, time.Now())
	if active, err := client.IsActive(t.Context(), ref("shop")); err != nil || active.Result {
		t.Errorf("without load it is active: %v, %v", active, err)
	}
}

func TestWhatIsNotKnownIsAnErrorSoThatKEDAFallsBack(t *testing.T) {
	t.Parallel()
	b := newBoard()
	b.set("old", 5, time.Now().Add(-6*time.Minute))
	b.set("wrong", -1, time.Now())
	b.set("shop", 5, time.Now())
	client, _ := serve(t, b, keda.TLS{}, insecure.NewCredentials())
	for name, want := range map[string]codes.Code{"nobody": codes.NotFound, "old": codes.Unavailable, "wrong": codes.Unavailable} {
		if _, err := client.IsActive(t.Context(), ref(name)); status.Code(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if _, err := client.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: ref("shop"), MetricName: "desired_replicas"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("another metric: %v", err)
	}
	stream, err := client.StreamMetricSpec(t.Context(), ref("shop"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unimplemented { // which KEDA tolerates
		t.Errorf("a stream of metrics: %v", err)
	}
}

func TestAStreamTellsWhatChangesUntilEitherSideLeaves(t *testing.T) {
	t.Parallel()
	b := newBoard()
	b.set("shop", 0, time.Now())
	client, stop := serve(t, b, keda.TLS{}, insecure.NewCredentials())
	ctx, leave := context.WithCancel(t.Context())
	leaving, err := client.StreamIsActive(ctx, ref("shop"))
	if err != nil {
		t.Fatal(err)
	}
	staying, err := client.StreamIsActive(t.Context(), ref("shop"))
	if err != nil {
		t.Fatal(err)
	}
	for _, load := range []float64{0, 7, 0} {
		b.set("shop", load, time.Now())
		for _, s := range []externalscaler.ExternalScaler_StreamIsActiveClient{leaving, staying} {
			if got, err := s.Recv(); err != nil || got.Result != (load > 0) {
				t.Fatalf("at load %v it says %v, %v", load, got, err)
			}
		}
	}
	leave()
	if _, err := leaving.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("who left got %v", err)
	}
	b.set("shop", 9, time.Now())
	if got, err := staying.Recv(); err != nil || !got.Result {
		t.Errorf("who stayed got %v, %v", got, err)
	}
	stop() // returns, though a stream is open
	if _, err := staying.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("at the end %v", err)
	}
}

func TestOnlyWhoHasACertificateIsLetIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(cert)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	files := keda.TLS{Cert: cert, Key: key, ClientCA: cert}
	b := newBoard()
	b.set("shop", 1, time.Now())
	known, _ := serve(t, b, files, credentials.NewTLS(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}))
	if got, err := known.IsActive(t.Context(), ref("shop")); err != nil || !got.Result {
		t.Errorf("with a certificate: %v, %v", got, err)
	}
	unknown, _ := serve(t, b, files, credentials.NewTLS(&tls.Config{RootCAs: pool}))
	if _, err := unknown.IsActive(t.Context(), ref("shop")); err == nil {
		t.Error("without a certificate it was let in")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := keda.New(b).Serve(t.Context(), l, keda.TLS{Cert: cert, Key: key, ClientCA: key}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a CA that is none: %v", err)
	}
}

// certificate writes one that is its own authority.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nines"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
