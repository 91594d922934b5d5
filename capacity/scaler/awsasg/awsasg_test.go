package awsasg_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/scaler"
	"github.com/nines-sre/nines/capacity/scaler/awsasg"
	"github.com/nines-sre/nines/internal/fault"
)

var at = autoscale.ASGTarget{Region: "eu-central-1", Name: "web"}

const key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// group answers as the Auto Scaling query API of 2011-01-01 does, and refuses what is not signed or not in its form.
type group struct {
	t       *testing.T
	mu      sync.Mutex
	desired int
	extra   string // of the group, in XML
	refuse  string // an error code for SetDesiredCapacity
	sets    []url.Values
}

func newGroup(t *testing.T, desired int) (*group, *awsasg.Driver) {
	t.Helper()
	g := &group{t: t, desired: desired}
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return g, awsasg.New(aws.NewConfig().WithEndpoint(s.URL).WithCredentials(credentials.NewStaticCredentials("AKIDEXAMPLE", key, "")))
}

func (g *group) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	raw, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(raw))
	if err != nil || r.Method != http.MethodPost || form.Get("Version") != "2011-01-01" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		fail(w, 400, "ValidationError", "not a query of this API")
		return
	}
	if !signed(r, raw) {
		fail(w, 403, "SignatureDoesNotMatch", "the signature is not ours")
		return
	}
	switch form.Get("Action") {
	case "DescribeAutoScalingGroups":
		member := ""
		if form.Get("AutoScalingGroupNames.member.1") == "web" {
			member = fmt.Sprintf(`<member><AutoScalingGroupName>web</AutoScalingGroupName><MinSize>2</MinSize><MaxSize>10</MaxSize><DesiredCapacity>%d</DesiredCapacity>
				<Instances><member><LifecycleState>InService</LifecycleState></member><member><LifecycleState>Pending</LifecycleState></member></Instances>%s</member>`, g.desired, g.extra)
		}
		_, _ = fmt.Fprintf(w, `<DescribeAutoScalingGroupsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><DescribeAutoScalingGroupsResult>
			<AutoScalingGroups>%s</AutoScalingGroups></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>`, member)
	case "SetDesiredCapacity":
		g.sets = append(g.sets, form)
		if g.refuse != "" {
			fail(w, 400, g.refuse, "Scaling activity is in progress")
			return
		}
		if _, err := fmt.Sscan(form.Get("DesiredCapacity"), &g.desired); err != nil {
			fail(w, 400, "ValidationError", "no capacity")
			return
		}
		_, _ = io.WriteString(w, `<SetDesiredCapacityResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"/>`)
	default:
		fail(w, 400, "InvalidAction", form.Get("Action"))
	}
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code, message)
}

// signed computes Signature Version 4 again, by its published steps.
func signed(r *http.Request, body []byte) bool {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	fields := map[string]string{}
	for f := range strings.SplitSeq(rest, ", ") {
		name, value, _ := strings.Cut(f, "=")
		fields[name] = value
	}
	scope := strings.TrimPrefix(fields["Credential"], "AKIDEXAMPLE/")
	parts := strings.Split(scope, "/")
	if scheme != "AWS4-HMAC-SHA256" || len(parts) != 4 || parts[1] != "eu-central-1" || parts[2] != "autoscaling" || parts[3] != "aws4_request" {
		return false
	}
	names := strings.Split(fields["SignedHeaders"], ";")
	if !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") {
		return false
	}
	var headers strings.Builder
	for _, name := range names {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(value))
	}
	hash := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	canonical := strings.Join([]string{r.Method, "/", "", headers.String(), fields["SignedHeaders"], hash(body)}, "\n")
	text := strings.Join([]string{scheme, r.Header.Get("X-Amz-Date"), scope, hash([]byte(canonical))}, "\n")
	mac := func(k []byte, s string) []byte { m := hmac.New(sha256.New, k); m.Write([]byte(s)); return m.Sum(nil) }
	k := []byte("AWS4" + key)
	for _, part := range parts {
		k = mac(k, part)
	}
	return hex.EncodeToString(mac(k, text)) == fields["Signature"]
}

func wish(from, to int) scaler.Wish { return scaler.Wish{From: from, Replicas: to} }

func TestTheDesiredCapacityIsSetAndCooldownsAreHonoured(t *testing.T) {
	t.Parallel()
	g, d := newGroup(t, 4)
	if s, err := d.Current(t.Context(), at); err != nil || s != (scaler.State{Replicas: 4, Ready: 1, Min: 2, Max: 10}) {
		t.Fatalf("%+v, %v", s, err)
	}
	for range 2 { // the second finds it done
		if done, err := d.Scale(t.Context(), at, wish(4, 7)); err != nil || done.After != 7 {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	if len(g.sets) != 1 || g.sets[0].Get("AutoScalingGroupName") != "web" || g.sets[0].Get("DesiredCapacity") != "7" || g.sets[0].Get("HonorCooldown") != "true" {
		t.Errorf("sent %v", g.sets)
	}
}

func TestTheGroupsOwnBoundsHold(t *testing.T) {
	t.Parallel()
	g, d := newGroup(t, 4)
	if done, err := d.Scale(t.Context(), at, wish(4, 50)); err != nil || done.After != 10 || g.desired != 10 {
		t.Errorf("%+v, %v, %d", done, err, g.desired)
	}
	if done, err := d.Scale(t.Context(), at, wish(10, 0)); err != nil || done.After != 2 || g.desired != 2 {
		t.Errorf("%+v, %v, %d", done, err, g.desired)
	}
}

func TestWhenAGroupIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		extra, refuse string
		w             scaler.Wish
		want          fault.Kind
		sets          int
	}{
		"somebody else scaled it": {w: wish(5, 7), want: fault.Conflict},
		"it cools down":           {refuse: "ScalingActivityInProgress", w: wish(4, 7), want: fault.Conflict, sets: 1},
		"it is tagged":            {extra: `<Tags><member><Key>capacity.nines/paused</Key><Value>true</Value></member></Tags>`, w: wish(4, 7), want: fault.Conflict},
		"it cannot launch":        {extra: `<SuspendedProcesses><member><ProcessName>Launch</ProcessName></member></SuspendedProcesses>`, w: wish(4, 7), want: fault.Conflict},
		"we may not":              {refuse: "AccessDenied", w: wish(4, 7), want: fault.Forbidden, sets: 1},
	} {
		g, d := newGroup(t, 4)
		g.extra, g.refuse = c.extra, c.refuse
		if _, err := d.Scale(t.Context(), at, c.w); !fault.Is(err, c.want) || g.desired != 4 || len(g.sets) != c.sets {
			t.Errorf("%s: %v, %d, %d sets", name, err, g.desired, len(g.sets))
		}
	}
	_, d := newGroup(t, 4)
	if _, err := d.Current(t.Context(), autoscale.ASGTarget{Region: "eu-central-1", Name: "gone"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("no such group: %v", err)
	}
}

func TestADryRunOnlyReads(t *testing.T) {
	t.Parallel()
	g, d := newGroup(t, 4)
	w := wish(4, 7)
	w.DryRun = true
	if done, err := d.Scale(t.Context(), at, w); err != nil || done.After != 7 || !done.DryRun || len(g.sets) > 0 {
		t.Errorf("%+v, %v, %v", done, err, g.sets)
	}
}

func TestWhoSignsWithAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	g := &group{t: t, desired: 4}
	s := httptest.NewServer(g)
	defer s.Close()
	d := awsasg.New(aws.NewConfig().WithEndpoint(s.URL).WithCredentials(credentials.NewStaticCredentials("AKIDEXAMPLE", "other", "")))
	if _, err := d.Current(t.Context(), at); !fault.Is(err, fault.Forbidden) {
		t.Errorf("%v", err)
	}
}
