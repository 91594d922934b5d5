package email_test

import (
	"context"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/email"
	"github.com/nines-sre/nines/internal/fault"
)

func note(action incidents.Action, to ...string) incidents.Notification {
	spent := 0.034
	return incidents.Notification{
		Page: incidents.Page{Action: action, Step: 1, DedupKey: "i1/shop", Target: incidents.Target{Email: &incidents.EmailTarget{To: to}}},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Bestellungen für <b>acme</b> schlagen fehl", Summary: "14.4 times too fast.\n.\nSee the plot.",
			Severity: incidents.Critical, State: incidents.Triggered, Service: "shop", SLO: "shop-orders", BudgetSpent: &spent,
			RunbookURL: "https://runbooks.example.com/orders", StartedAt: time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC),
		},
		IncidentURL: "https://nines.example.com/incidents/i1", At: time.Date(2026, 11, 3, 3, 5, 0, 0, time.UTC),
	}
}

func send(t *testing.T, address string, n incidents.Notification) (incidents.Receipt, error) {
	t.Helper()
	notifier, err := email.New(address, "Nines <nines@example.com>")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	return notifier.Send(ctx, n)
}

// read parses a mail as a mail program does, and returns its text and HTML.
func read(t *testing.T, data string) (*mail.Message, string, string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %s, %v", kind, err)
	}
	var parts []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p.Header.Get("Content-Type")+"\n"+string(text))
	}
	if len(parts) != 2 || !strings.HasPrefix(parts[0], "text/plain") || !strings.HasPrefix(parts[1], "text/html") {
		t.Fatalf("parts %q", parts)
	}
	return m, parts[0], parts[1]
}

func TestAMailTellsWhatAPersonNeeds(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{})
	receipt, err := send(t, "smtp://"+s.addr, note(incidents.ActionTrigger, "ana@example.com", "bo@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	got := s.sent()[0]
	if got.from != "nines@example.com" || !slices.Equal(got.to, []string{"ana@example.com", "bo@example.com"}) {
		t.Errorf("envelope from %s to %v", got.from, got.to)
	}
	m, text, html := read(t, got.data)
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if want := "[critical] acme #12 Bestellungen für <b>acme</b> schlagen fehl"; err != nil || subject != want {
		t.Errorf("subject %q, %v; want %q", subject, err, want)
	}
	if m.Header.Get("Message-ID") != receipt.ProviderID || m.Header.Get("Importance") != "high" {
		t.Errorf("headers %v, receipt %+v", m.Header, receipt)
	}
	for _, want := range []string{"CRITICAL", "acme", "shop-orders", "3.4 %", "2026-11-03 03:04:05 UTC", "https://nines.example.com/incidents/i1", "https://runbooks.example.com/orders", "See the plot."} {
		if !strings.Contains(text, want) || !strings.Contains(html, want) {
			t.Errorf("%q is missing in text or HTML", want)
		}
	}
	if strings.Contains(html, "<b>acme") {
		t.Error("an alert's title is HTML")
	}
	if to, err := m.Header.AddressList("To"); err != nil || len(to) != 2 {
		t.Errorf("To %v, %v", to, err)
	}
}

func TestMailsOfAnIncidentFormAThreadAndARetryIsTheSameMail(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{})
	second := note(incidents.ActionTrigger, "ana@example.com")
	second.Page.Loop = 1
	for _, n := range []incidents.Notification{
		note(incidents.ActionTrigger, "ana@example.com"), note(incidents.ActionTrigger, "ana@example.com"), note(incidents.ActionResolve, "ana@example.com"), second,
	} {
		if _, err := send(t, "smtp://"+s.addr, n); err != nil {
			t.Fatal(err)
		}
	}
	var ids, threads, subjects []string
	for _, got := range s.sent() {
		m, _, _ := read(t, got.data)
		ids, threads = append(ids, m.Header.Get("Message-ID")), append(threads, m.Header.Get("References"))
		subjects = append(subjects, strings.TrimPrefix(m.Header.Get("Subject"), "Re: "))
	}
	if ids[0] != ids[1] || ids[0] == ids[2] || ids[0] == ids[3] || ids[2] == ids[3] {
		t.Errorf("message ids %v", ids)
	}
	if threads[0] == "" || slices.ContainsFunc(threads, func(s string) bool { return s != threads[0] }) {
		t.Errorf("references %v", threads)
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(subjects[2]); err != nil || !strings.Contains(subject, "#12") {
		t.Errorf("subjects %v, %v", subjects, err)
	}
}

func TestNobodyCanWriteAHeader(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{})
	n := note(incidents.ActionTrigger, "ana@example.com")
	n.Incident.Title, n.Incident.Tenant = "x\r\nBcc: eve@example.com\r\n\r\nbody", "a\r\nX-Evil: 1"
	n.Page.DedupKey = "k\r\nX-Evil: 1"
	if _, err := send(t, "smtp://"+s.addr, n); err != nil {
		t.Fatal(err)
	}
	m, _, _ := read(t, s.sent()[0].data)
	if m.Header.Get("Bcc") != "" || m.Header.Get("X-Evil") != "" {
		t.Errorf("headers %v", m.Header)
	}
	for _, to := range []string{"ana@example.com\r\nRCPT TO:<eve@example.com>", "Ana <ana@example.com>", "ana", ""} {
		if _, err := send(t, "smtp://"+s.addr, note(incidents.ActionTrigger, to)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v; want invalid", to, err)
		}
	}
	if len(s.sent()) != 1 {
		t.Errorf("%d mails were sent", len(s.sent()))
	}
}

func TestTLSStartsWhereItIsOfferedAndThePasswordGoesThroughIt(t *testing.T) {
	t.Parallel()
	cert, trust := testTLS(t)
	s := newMailServer(t, &mailServer{offers: []string{"STARTTLS", "AUTH PLAIN"}, cert: cert})
	notifier, err := email.New("smtp://nines:hunter2@"+s.addr, "nines@example.com")
	if err != nil {
		t.Fatal(err)
	}
	notifier.Trust(trust)
	if _, err := notifier.Send(t.Context(), note(incidents.ActionTrigger, "ana@example.com")); err != nil {
		t.Fatal(err)
	}
	if got := s.sent()[0]; !got.secure || got.auth != "\x00nines\x00hunter2" {
		t.Errorf("secure %v, auth %q", got.secure, got.auth)
	}
	// A certificate that nobody vouches for ends it before the password.
	if _, err := send(t, "smtp://nines:hunter2@"+s.addr, note(incidents.ActionTrigger, "ana@example.com")); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v; want unavailable for its certificate", err)
	}
}

func TestRefusalsAreClassified(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		refuse map[string]string
		want   fault.Kind
		code   int
	}{
		{"mailbox unknown", map[string]string{"ana@example.com": "550 no such user"}, fault.Invalid, 550},
		{"greylisted", map[string]string{"ana@example.com": "451 try later"}, fault.Unavailable, 451},
		{"sender refused", map[string]string{"MAIL": "553 not you"}, fault.Invalid, 553},
		{"too busy", map[string]string{"DATA": "421 busy"}, fault.Unavailable, 421},
	} {
		s := newMailServer(t, &mailServer{refuse: test.refuse})
		receipt, err := send(t, "smtp://"+s.addr, note(incidents.ActionTrigger, "ana@example.com"))
		if !fault.Is(err, test.want) || receipt.StatusCode != test.code {
			t.Errorf("%s: %v (%s), code %d; want %s, %d", test.name, err, fault.KindOf(err), receipt.StatusCode, test.want, test.code)
		}
	}
}

func TestOneRefusedRecipientDoesNotKeepTheOthersFromTheMail(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{refuse: map[string]string{"gone@example.com": "550 no such user"}})
	receipt, err := send(t, "smtp://"+s.addr, note(incidents.ActionTrigger, "gone@example.com", "ana@example.com"))
	if err != nil || !slices.Equal(s.sent()[0].to, []string{"ana@example.com"}) {
		t.Errorf("to %v, %v", s.sent()[0].to, err)
	}
	if !strings.Contains(receipt.ProviderID, "refused: gone@example.com") {
		t.Errorf("the receipt %q hides the refusal", receipt.ProviderID)
	}
}

func TestAServerThatIsAwayOrSilentIsTriedAgain(t *testing.T) {
	t.Parallel()
	if _, err := send(t, "smtp://127.0.0.1:1", note(incidents.ActionTrigger, "ana@example.com")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("away: %v; want unavailable", err)
	}
	s := newMailServer(t, &mailServer{silent: true})
	notifier, err := email.New("smtp://"+s.addr, "nines@example.com")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := notifier.Send(ctx, note(incidents.ActionTrigger, "ana@example.com")); !fault.Is(err, fault.Timeout) {
		t.Errorf("silent: %v; want timeout", err)
	}
}

func TestAPasswordIsNotSentInTheClearToAnotherMachine(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{addr: "127.0.0.2", offers: []string{"AUTH PLAIN"}})
	_, err := send(t, "smtp://nines:hunter2@"+s.addr, note(incidents.ActionTrigger, "ana@example.com"))
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("%v; want invalid", err)
	}
	if slices.ContainsFunc(s.dialogs, func(line string) bool { return strings.HasPrefix(line, "AUTH") }) {
		t.Errorf("the client said %q", s.dialogs)
	}
}

func TestTLSFromTheFirstByte(t *testing.T) {
	t.Parallel()
	cert, trust := testTLS(t)
	s := newMailServer(t, &mailServer{offers: []string{"AUTH PLAIN"}, cert: cert, implicit: true})
	notifier, err := email.New("smtps://nines:hunter2@"+s.addr, "nines@example.com")
	if err != nil {
		t.Fatal(err)
	}
	notifier.Trust(trust)
	if _, err := notifier.Send(t.Context(), note(incidents.ActionTrigger, "ana@example.com")); err != nil || !s.sent()[0].secure {
		t.Errorf("sent %+v, %v", s.sent(), err)
	}
}

func TestAPasswordIsNotSentToAServerWithoutSignIn(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{})
	_, err := send(t, "smtp://nines:hunter2@"+s.addr, note(incidents.ActionTrigger, "ana@example.com"))
	if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v; want invalid", err)
	}
}

func TestAnAddressThatCannotBeUsedIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "mail.example.com", "http://u:hunter2@x", "smtp://u:hunter2@", "smtp://u:hunter2@x:y"} {
		if _, err := email.New(address, "nines@example.com"); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := email.New("smtp://x", "nobody"); !fault.Is(err, fault.Invalid) {
		t.Errorf("sender nobody: %v", err)
	}
}

func TestLaterMailsAnswerTheFirst(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{})
	first, err := send(t, "smtp://"+s.addr, note(incidents.ActionTrigger, "ana@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	for thread, want := range map[string]string{
		first.ProviderID: first.ProviderID, first.ProviderID + "; refused: bo@example.com": first.ProviderID,
		"": "", "SM123": "", "<a@b>\r\nBcc: eve@example.com": "",
	} {
		over := note(incidents.ActionResolve, "ana@example.com")
		over.Thread = thread
		if _, err := send(t, "smtp://"+s.addr, over); err != nil {
			t.Fatal(err)
		}
		sent := s.sent()
		m, _, _ := read(t, sent[len(sent)-1].data)
		if got := m.Header.Get("In-Reply-To"); got != want || m.Header.Get("Bcc") != "" {
			t.Errorf("thread %q: In-Reply-To %q; want %q", thread, got, want)
		}
		if references := m.Header.Get("References"); !strings.HasSuffix(references, want) || references == "" {
			t.Errorf("thread %q: References %q", thread, references)
		}
	}
}

func TestNoLineIsLongerThanMailAllows(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{})
	n := note(incidents.ActionTrigger, "ana@example.com")
	n.Incident.Title, n.Incident.Tenant, n.Incident.Service = strings.Repeat("🔥", 500), strings.Repeat("ü", 500), strings.Repeat("x", 5000)
	n.Incident.Summary = strings.Repeat("y", 20_000) + "\xff\r\x00"
	n.Incident.RunbookURL = "https://runbooks.example.com/" + strings.Repeat("z", 1900)
	if _, err := send(t, "smtp://"+s.addr, n); err != nil {
		t.Fatal(err)
	}
	data := s.sent()[0].data
	for line := range strings.SplitSeq(data, "\r\n") {
		if len(line) > 200 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("a line of %d bytes: %.100q", len(line), line)
		}
	}
	m, _, _ := read(t, data)
	if subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || !strings.Contains(subject, "#12 🔥🔥") {
		t.Errorf("subject %q, %v", subject, err)
	}
}

func TestATitleThatLooksEncodedIsShownAsItIs(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{})
	n := note(incidents.ActionTrigger, "ana@example.com")
	n.Incident.Title = "=?utf-8?q?x=0D=0ABcc:_eve@example.com?="
	if _, err := send(t, "smtp://"+s.addr, n); err != nil {
		t.Fatal(err)
	}
	m, _, _ := read(t, s.sent()[0].data)
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if want := "[critical] acme #12 = ?utf-8?q?x=0D=0ABcc:_eve@example.com?="; err != nil || subject != want {
		t.Errorf("subject %q, %v; want %q", subject, err, want)
	}
}

func TestAnAlertsLinkThatIsNoneIsLeftOut(t *testing.T) {
	t.Parallel()
	s := newMailServer(t, &mailServer{})
	n := note(incidents.ActionTrigger, "ana@example.com")
	n.Incident.RunbookURL = "javascript:alert(1)"
	if _, err := send(t, "smtp://"+s.addr, n); err != nil {
		t.Fatal(err)
	}
	if _, text, html := read(t, s.sent()[0].data); strings.Contains(text+html, "javascript") || strings.Contains(html, "Runbook") {
		t.Errorf("text %s\nHTML %s", text, html)
	}
}

func TestAConversationThatBreaksOffIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"EHLO", "MAIL", "RCPT", "DATA"} {
		cut := newMailServer(t, &mailServer{cutAt: verb})
		if _, err := send(t, "smtp://"+cut.addr, note(incidents.ActionTrigger, "ana@example.com")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("cut at %s: %v; want unavailable", verb, err)
		}
		mute := newMailServer(t, &mailServer{mute: verb})
		notifier, err := email.New("smtp://"+mute.addr, "nines@example.com")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := notifier.Send(ctx, note(incidents.ActionTrigger, "ana@example.com")); !fault.Is(err, fault.Timeout) {
			t.Errorf("mute at %s: %v; want timeout", verb, err)
		}
		cancel()
	}
}
