package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// write does a create or an update: read the rule again, PUT, and compare what
// the service says it keeps with what was sent.
func (r *run) write(c plan.Change) Change {
	rule, ok := r.rules[c.Rule]
	if !ok {
		return r.failed(c, KindService, fmt.Errorf("no file holds rule %q", c.Rule))
	}
	live, err := r.deps.Client.Rule(r.ctx, c.Rule)
	if err != nil {
		return r.failed(c, KindService, err)
	}
	if webhook.LiveDigest(live) != c.LiveDigest {
		return r.moved(c, rule, live)
	}
	if r.stopped() {
		return r.with(c, StatusSkipped, KindInterrupted, "not started: the run was interrupted", "")
	}
	if err := r.record("put", c); err != nil {
		return r.failed(c, KindService, err)
	}
	out := r.put(c, rule)
	if err := r.recordResult("put", c, out); err != nil && out.Status == StatusApplied {
		out.Status = StatusUnverified
		out.Error = &Error{Kind: KindUnverified, Message: err.Error()}
	}
	return out
}

// moved is a change whose live rule is no longer what the plan saw.
func (r *run) moved(c plan.Change, rule Rule, live *webhook.Rule) Change {
	if live != nil && r.asDesired(rule, *live) {
		return r.change(c, StatusDone)
	}
	switch {
	case live == nil:
		return r.stale(c, "the rule was deleted since the plan")
	case c.Action == plan.Create:
		return r.stale(c, "the rule has come to exist since the plan")
	}
	return r.stale(c, "the live rule was changed since the plan")
}

// asDesired reports whether a live rule already is what this run would make
// it. Without a marker nothing is known of authentication, so a rule that has
// some is never known to be as desired.
func (r *run) asDesired(rule Rule, live webhook.Rule) bool {
	if webhook.SpecDigest(rule.Spec) != webhook.SpecDigest(live.Spec) {
		return false
	}
	if r.project.Owner == "" {
		return rule.Spec.Auth.Len() == 0
	}
	m, state := webhook.ReadMarker(r.project.Name, live)
	return state == webhook.ValidMarker && m.Owner == r.project.Owner && m.Spec == webhook.SpecDigest(rule.Spec) &&
		m.Auth == rule.AuthDigest && rule.AuthDigest != webhook.AuthUnknown
}

// marker is what the rule carries once it is applied; nil without an owner.
func (r *run) marker(rule Rule) *webhook.Marker {
	if r.project.Owner == "" {
		return nil
	}
	return &webhook.Marker{
		Owner: r.project.Owner, ID: webhook.RuleID(r.project.Name, rule.Name),
		Spec: webhook.SpecDigest(rule.Spec), Auth: rule.AuthDigest,
	}
}

// put sends a rule and verifies the answer.
func (r *run) put(c plan.Change, rule Rule) Change {
	spec, m := rule.Spec.WithoutMarker(), r.marker(rule)
	if m != nil {
		spec = spec.WithMarker(*m)
	}
	res, err := r.deps.Client.Put(r.ctx, rule.Name, spec, r.auth[rule.Name])
	if err != nil {
		return r.putFailed(c, res, err)
	}
	out := r.change(c, StatusApplied)
	out.HTTPStatus, out.Attempts = res.Status, res.Attempts
	if m != nil && !carries(res.Rule, *m) {
		r.halted.Store(true)
		out.Status = StatusUnverified
		out.Error = &Error{Kind: KindUnverified,
			Message: "written, but the service does not keep the header " + webhook.MarkerHeader + ", so nothing can be known of it later",
			Hint:    "run without --owner"}
		return out
	}
	fields := r.differences(rule, res.Rule)
	if len(fields) == 0 {
		return out
	}
	out.Status = StatusUnverified
	out.Error = &Error{Kind: KindUnverified, Message: "written, but the service kept something else in " + strings.Join(fields, ", "),
		Hint: "run plan: it shows what the service keeps"}
	if m != nil {
		r.keep(&out, c, rule, spec, *m, res)
	}
	return out
}

// keep writes once more, with a marker that knows the service's own spelling,
// so that it is no drift for ever.
func (r *run) keep(out *Change, c plan.Change, rule Rule, spec webhook.Spec, m webhook.Marker, first mkio.PutResult) {
	m.Kept = webhook.SpecDigest(first.Rule.Spec)
	if err := r.record("put", c); err != nil {
		out.Error.Message += "; " + err.Error()
		return
	}
	res, err := r.deps.Client.Put(r.ctx, rule.Name, spec.WithMarker(m), r.auth[rule.Name])
	out.Attempts += res.Attempts
	switch {
	case err != nil:
		out.Error.Message += "; marking that as the service's own spelling failed: " + err.Error()
	case !carries(res.Rule, m) || webhook.SpecDigest(res.Rule.Spec) != m.Kept:
		out.Error.Message += ", and something else again when it was sent once more"
	default:
		out.Error.Message += "; that is marked as its own spelling and will count as the same"
		out.Error.Hint = ""
	}
}

// carries reports whether a rule carries exactly this marker.
func carries(rule webhook.Rule, m webhook.Marker) bool {
	for name, value := range rule.Spec.Headers {
		if webhook.IsMarkerHeader(name) {
			got, ok := webhook.ParseMarker(value)
			return ok && got == m
		}
	}
	return false
}

// differences are the fields in which the service keeps something else. A
// field that this version does not know is none.
func (r *run) differences(rule Rule, kept webhook.Rule) []string {
	if webhook.SpecDigest(rule.Spec) == webhook.SpecDigest(kept.Spec) {
		return nil
	}
	known := kept.Spec.Clone()
	known.Unknown = nil
	var paths []string
	for _, f := range plan.Compare(known, rule.Spec) {
		if !slices.Contains(paths, f.Path) {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// putFailed says what is known of a PUT without an answer that settles it.
func (r *run) putFailed(c plan.Change, res mkio.PutResult, err error) Change {
	out := r.failed(c, KindService, err)
	out.Attempts = max(out.Attempts, res.Attempts)
	var e *mkio.Error
	switch {
	case !errors.As(err, &e):
	case e.Status/100 == 2:
		out.Status = StatusUnverified
		out.Error.Kind = KindUnverified
		out.Error.Message = "written, but " + e.Error()
		out.Error.Hint = "run plan: it shows what the service keeps"
	case res.Lost || e.Status == 0 || e.Status >= 500:
		out.Error.Message += "; it may have been applied all the same"
		out.Error.Hint = "run it again: it converges"
	}
	return out
}

// noAuth is the authentication of a PUT that sends none.
var noAuth = secrets.Auth{}
