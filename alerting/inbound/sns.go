package inbound

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/hook"
)

// The types of what SNS sends.
const (
	snsSubscribe   = "SubscriptionConfirmation"
	snsUnsubscribe = "UnsubscribeConfirmation"
	snsNotify      = "Notification"
)

// snsEnvelope is what SNS sends to an HTTPS subscription without raw delivery.
type snsEnvelope struct {
	Type             string  `json:"Type"`
	MessageID        string  `json:"MessageId"`
	TopicARN         string  `json:"TopicArn"`
	Subject          *string `json:"Subject"`
	Message          string  `json:"Message"`
	Timestamp        string  `json:"Timestamp"`
	SignatureVersion string  `json:"SignatureVersion"`
	Signature        string  `json:"Signature"`
	SigningCertURL   string  `json:"SigningCertURL"`
	Token            string  `json:"Token"`
	SubscribeURL     string  `json:"SubscribeURL"`
}

// subject is "" where there is none, which is signed otherwise than an empty one.
func (e snsEnvelope) subject() string {
	if e.Subject == nil {
		return ""
	}
	return *e.Subject
}

func readEnvelope(body []byte) (snsEnvelope, error) {
	var e snsEnvelope
	return e, readJSON(body, &e)
}

func isRaw(r hook.Request) bool {
	return strings.EqualFold(r.Header.Get("X-Amz-Sns-Rawdelivery"), "true")
}

func readSNS(src Source, r hook.Request) (Received, error) {
	if isRaw(r) {
		return src.snsMessage("", string(r.Body), r)
	}
	e, err := readEnvelope(r.Body)
	if err != nil {
		return Received{}, err
	}
	switch e.Type {
	case snsSubscribe:
		return Received{Confirm: e.SubscribeURL, Answer: accepted("the subscription is being confirmed")}, nil
	case snsUnsubscribe:
		return Received{Answer: accepted("ignored: this endpoint is not subscribed any more")}, nil
	}
	return src.snsMessage(e.subject(), e.Message, r)
}

// alarm is CloudWatch's message of an alarm that changed its state.
type alarm struct {
	Name        text    `json:"AlarmName"`
	ARN         text    `json:"AlarmArn"`
	Description text    `json:"AlarmDescription"`
	Account     text    `json:"AWSAccountId"`
	State       text    `json:"NewStateValue"`
	Reason      text    `json:"NewStateReason"`
	Changed     instant `json:"StateChangeTime"`
	Region      text    `json:"Region"`
	Trigger     struct {
		Metric     text `json:"MetricName"`
		Namespace  text `json:"Namespace"`
		Dimensions []struct {
			Name  text `json:"name"`
			Value text `json:"value"`
		} `json:"Dimensions"`
	} `json:"Trigger"`
}

// snsMessage reads what was published to the topic. What is no alarm of CloudWatch's is an alert by its subject, or by
// the whole message where it has none; nothing ends it but time and people.
func (src Source) snsMessage(subject, message string, r hook.Request) (Received, error) {
	if a, ok := alarmOf(message); ok {
		return src.alarmed(a, r)
	}
	line := firstLine(message)
	if subject == "" && line == "" {
		return refuse("Message: is empty")
	}
	return src.one(event{
		key: hash("message", cmp.Or(subject, message)), name: cmp.Or(subject, line), summary: cmp.Or(subject, line),
		description: message,
	}, r), nil
}

func alarmOf(message string) (alarm, bool) {
	var a alarm
	ok := json.Valid([]byte(message)) && readJSON([]byte(message), &a) == nil
	return a, ok && a.Name != "" && a.State != ""
}

// alarmed reads a change of state. Too little data neither begins nor ends anything: it is not known to be over.
func (src Source) alarmed(a alarm, r hook.Request) (Received, error) {
	e := event{
		key: "alarm/" + string(cmp.Or(a.ARN, a.Account+"/"+a.Region+"/"+a.Name)), name: string(a.Name), summary: string(a.Name),
		description: string(cmp.Or(a.Description, a.Reason)), starts: a.Changed.Time, labels: a.labels(), link: a.link(),
		details: map[string]string{"reason": string(a.Reason)},
	}
	switch a.State {
	case "ALARM":
	case "OK":
		e.ended, e.starts, e.ends = true, time.Time{}, a.Changed.Time
	case "INSUFFICIENT_DATA":
		return Received{Answer: accepted("ignored: an alarm without data neither begins nor ends")}, nil
	default:
		return refuse("NewStateValue: %q is not ALARM, OK or INSUFFICIENT_DATA", clip(string(a.State), 40))
	}
	return src.one(e, r), nil
}

// labels are where the alarm is, and the dimensions of its metric under their own names.
func (a alarm) labels() map[string]string {
	labels := map[string]string{}
	for _, d := range a.Trigger.Dimensions {
		labels[string(d.Name)] = string(d.Value)
	}
	maps.Copy(labels, map[string]string{
		"account": string(a.Account), "region": a.region(),
		"namespace": string(a.Trigger.Namespace), "metric": string(a.Trigger.Metric),
	})
	return labels
}

// region is the fourth part of an ARN; the message itself has only a name for people.
func (a alarm) region() string {
	if parts := strings.Split(string(a.ARN), ":"); len(parts) > 3 {
		return parts[3]
	}
	return string(a.Region)
}

func (a alarm) link() string {
	region := a.region()
	if !awsRegion.MatchString(region) || strings.ContainsFunc(string(a.Name), unlinkable) {
		return ""
	}
	return "https://" + region + ".console.aws.amazon.com/cloudwatch/home?region=" + region + "#alarmsV2:alarm/" + string(a.Name)
}

func unlinkable(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !slices.Contains([]rune("-_./"), r)
}
