// Package awsasg sets the desired capacity of AWS auto scaling groups. It leaves out deciding how large they should be, and
// never leaves the group's own bounds.
package awsasg

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/client"
	"github.com/aws/aws-sdk-go/aws/request"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/autoscaling"
	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/scaler"
	"github.com/nines-sre/nines/internal/fault"
)

// Paused is the tag of a group that leaves it alone, with any value but false.
const Paused = "capacity.nines/paused"

const timeout = 15 * time.Second

// Driver scales groups in any region. It is safe for concurrent use.
type Driver struct {
	config  *aws.Config
	mu      sync.Mutex
	session client.ConfigProvider // made at the first use, so that no credentials are looked for without need
}

// New returns a driver; nil settings are those of AWS: environment, shared files, web identity, and the machine's role.
func New(config *aws.Config) *Driver {
	if config == nil {
		config = aws.NewConfig()
	}
	return &Driver{config: config.Copy().WithMaxRetries(2)}
}

func (d *Driver) api(region string) (*autoscaling.AutoScaling, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session == nil {
		s, err := session.NewSession(d.config)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the settings for AWS have problems")
		}
		d.session = s
	}
	return autoscaling.New(d.session, aws.NewConfig().WithRegion(region)), nil
}

// Current returns the group's capacity and bounds. No such group is a fault.NotFound.
func (d *Driver) Current(ctx context.Context, at autoscale.ASGTarget) (scaler.State, error) {
	api, err := d.api(at.Region)
	if err != nil {
		return scaler.State{}, err
	}
	return d.look(ctx, api, at)
}

// Scale sets the group's desired capacity, within the group's own bounds. Where it is so already nothing is sent. A group of
// another size than the decision saw, one that is still cooling down or one that is paused is a fault.Conflict. AWS knows no dry
// run of it: then only the group is read and the wish checked against it.
func (d *Driver) Scale(ctx context.Context, at autoscale.ASGTarget, w scaler.Wish) (scaler.Outcome, error) {
	api, err := d.api(at.Region)
	if err != nil {
		return scaler.Outcome{}, err
	}
	s, err := d.look(ctx, api, at)
	if err != nil {
		return scaler.Outcome{}, err
	}
	want := min(max(w.Replicas, s.Min), s.Max)
	done := scaler.Outcome{Before: s.Replicas, After: want, What: "desired capacity of " + at.Name, DryRun: w.DryRun}
	switch {
	case s.Paused != "":
		return done, fault.New(fault.Conflict, "the auto scaling group %s asks to be left alone: %s", at.Name, s.Paused)
	case s.Replicas != w.From && s.Replicas != want:
		return done, fault.New(fault.Conflict, "the auto scaling group %s has %d, and the decision saw %d; it must be made again", at.Name, s.Replicas, w.From)
	case s.Replicas == want, w.DryRun:
		return done, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err = api.SetDesiredCapacityWithContext(ctx, &autoscaling.SetDesiredCapacityInput{
		AutoScalingGroupName: &at.Name, DesiredCapacity: aws.Int64(int64(want)), HonorCooldown: aws.Bool(true)})
	return done, explain(err, "set the desired capacity of "+at.Name)
}

func (d *Driver) look(ctx context.Context, api *autoscaling.AutoScaling, at autoscale.ASGTarget) (scaler.State, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := api.DescribeAutoScalingGroupsWithContext(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []*string{&at.Name}})
	if err != nil {
		return scaler.State{}, explain(err, "read the auto scaling group "+at.Name)
	}
	if len(found.AutoScalingGroups) != 1 {
		return scaler.State{}, fault.New(fault.NotFound, "there is no auto scaling group %s in %s", at.Name, at.Region)
	}
	g := found.AutoScalingGroups[0]
	s := scaler.State{Replicas: int(aws.Int64Value(g.DesiredCapacity)), Min: int(aws.Int64Value(g.MinSize)), Max: int(aws.Int64Value(g.MaxSize)), Paused: pausedBy(g)}
	for _, i := range g.Instances {
		if aws.StringValue(i.LifecycleState) == autoscaling.LifecycleStateInService {
			s.Ready++
		}
	}
	return s, nil
}

func pausedBy(g *autoscaling.Group) string {
	for _, t := range g.Tags {
		if aws.StringValue(t.Key) == Paused && aws.StringValue(t.Value) != "false" {
			return "the tag " + Paused
		}
	}
	for _, p := range g.SuspendedProcesses {
		if name := aws.StringValue(p.ProcessName); name == "Launch" || name == "Terminate" {
			return fmt.Sprintf("its process %s is suspended", name)
		}
	}
	return ""
}

// explain puts what AWS says into our words; nil stays nil.
func explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	kind, said := fault.Unavailable, "AWS does not answer"
	var known awserr.Error
	if errors.As(err, &known) && known.Code() != request.ErrCodeRequestError && known.Code() != request.CanceledErrorCode {
		said = known.Code() + ": " + known.Message()
		switch known.Code() {
		case autoscaling.ErrCodeScalingActivityInProgressFault:
			kind = fault.Conflict
		case "ValidationError":
			kind = fault.Invalid
		case "AccessDenied", "UnauthorizedOperation", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "NoCredentialProviders":
			kind = fault.Forbidden
		case "Throttling", "ThrottlingException", "RequestLimitExceeded":
			kind = fault.Limited
		}
	}
	return fault.Wrap(kind, err, "cannot %s: %s", doing, said)
}
