package apply

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// putRule creates or updates one rule.
func (r *run) putRule(ctx context.Context, c plan.Change) Change {
	out := newChange(r.project.Name, c)
	it, ok := r.items[c.Rule]
	if !ok || it.digest != c.DesiredDigest {
		out.fail(StatusFailed, KindInternal, "its secrets were not opened before the first write, which is a fault in mkhooks; nothing was sent", "")
		return out
	}
	seen := time.Now()
	live, err := r.client.ReadRule(ctx, c.Rule)
	switch {
	case err != nil:
		out.failRead(ctx, err)
		return out
	case webhook.LiveDigest(live) == c.LiveDigest:
	case r.isDesired(live, it):
		out.Status = StatusDone
		return out
	default:
		out.markStale(liveDifference(c, live))
		return out
	}
	spec := it.desired.Spec
	if r.project.Owner != "" {
		spec = spec.WithMarker(r.newMarker(it))
	}
	answer, _ := r.sendPut(ctx, &out, c, putRequest{step: StepPut, before: c.LiveDigest, seen: seen, spec: spec, auth: it.auth})
	if answer == nil {
		return out
	}
	r.warnOverwritten(out, live, answer)
	r.verifyPut(ctx, &out, c, it, answer)
	return out
}

// warnOverwritten warns if the response to a PUT shows that another client changed
// the rule after the last read. The service has no compare-and-swap, so the PUT has
// overwritten that change.
func (r *run) warnOverwritten(out Change, live, answer *webhook.Rule) {
	switch {
	case out.Attempts != 1: // it may have been an attempt of this run
	case live == nil && out.HTTPStatus == http.StatusOK:
		r.addWarning(changeName(out.Action, out.Rule) + " wrote over a rule of that name, which someone else made at this very moment")
	case live != nil && live.ID != answer.ID:
		r.addWarning(changeName(out.Action, out.Rule) + " made it anew, without its delivery history: someone else deleted it at this very moment")
	}
}

// newMarker returns the marker that records on the live rule that this was applied.
func (r *run) newMarker(it preparedRule) webhook.Marker {
	return webhook.Marker{
		Owner: r.project.Owner, ID: webhook.RuleID(r.project.Name, it.desired.Name),
		Spec: webhook.SpecDigest(it.desired.Spec), Auth: it.desired.AuthDigest,
	}
}

// isDesired reports whether a live rule is known to equal the desired rule. Values
// without a marker are unknown.
func (r *run) isDesired(live *webhook.Rule, it preparedRule) bool {
	if live == nil || len(live.Spec.Unknown) > 0 {
		return false
	}
	marker, state := webhook.ReadMarker(r.project.Name, *live)
	if r.project.Owner == "" {
		return state == webhook.NoMarker && it.desired.Spec.Auth.Len() == 0 &&
			webhook.SpecDigest(live.Spec) == webhook.SpecDigest(it.desired.Spec)
	}
	same, _ := marker.Applied(live.Spec)
	marker.Kept = ""
	return state == webhook.ValidMarker && same && marker == r.newMarker(it) && it.desired.AuthDigest != webhook.AuthUnknown
}

// putRequest is one PUT.
type putRequest struct {
	step Step
	// before is the digest of the live rule that is the precondition of the PUT.
	// seen is the time when the rule was read.
	before webhook.Digest
	seen   time.Time
	spec   webhook.Spec
	auth   secrets.Auth
	// removes are the paths of auth values that the PUT takes out of the rule.
	removes []string
}

// The reasons why the precheck of a PUT that had to wait ends it.
var (
	errSent    = errors.New("the rule is as it was sent")
	errMovedOn = errors.New("the rule changed before it was written")
)

// sendPut makes one PUT. If it fails, it sets the status of out and returns no answer.
// The rule found is the rule as the last precheck read it; nil without a precheck.
func (r *run) sendPut(ctx context.Context, out *Change, c plan.Change, s putRequest) (answer, found *webhook.Rule) {
	w, err := r.recordIntent(ctx, c, s.step, s.before, c.DesiredDigest, s.removes...)
	if err != nil {
		out.fail(StatusFailed, KindAudit, "the record could not be written, so nothing was sent: "+err.Error(), roomForRecord)
		return nil, nil
	}
	result, err := r.client.Put(ctx, c.Rule, s.spec, s.auth, mkio.Precheck{ReadAt: s.seen, Run: func(ctx context.Context) (err error) {
		found, err = r.client.ReadRule(ctx, c.Rule)
		switch {
		case err != nil || webhook.LiveDigest(found) == s.before:
			return err
		case r.isSent(found, s):
			return errSent
		}
		return errMovedOn
	}})
	out.addAttempts(result.Write)
	switch unknown := result.Lost || result.Status/100 == 2 || result.Attempts > 0 && !refuses(result.Status) || s.step == StepPause && result.Attempts > 0; {
	case err == nil:
		answer = &result.Rule
	case errors.Is(err, errSent):
		answer = found
	case errors.Is(err, errMovedOn):
		out.markStale(liveDifferenceAt(s.step, c, found))
		if result.Lost {
			out.Error.Message += "; an attempt of this run may have taken effect before that"
		}
	case unknown && ctx.Err() == nil:
		answer = r.readIfSent(ctx, c.Rule, s)
	}
	d := WriteResult{HTTPStatus: result.Status, Attempts: result.Attempts, Ref: result.Ref}
	if answer != nil {
		d.Live = webhook.LiveDigest(answer)
	} else if out.Status == "" {
		out.failWrite(ctx, err, result.Write)
	}
	d.Error = out.Error
	r.recordResult(ctx, w, d)
	return answer, found
}

// liveDifferenceAt describes how a live rule differs from the precondition of a PUT.
func liveDifferenceAt(step Step, c plan.Change, live *webhook.Rule) string {
	if step == StepKept { // before is the write of this run
		return "someone changed the rule at this moment"
	}
	return liveDifference(c, live)
}

// verifyTimeout limits the time to find out whether a write took effect.
const verifyTimeout = 10 * time.Second

// readIfSent reads the rule after a PUT whose response was lost or can't be read.
// It returns the rule if it is known to equal the sent rule, and nil otherwise.
func (r *run) readIfSent(ctx context.Context, rule string, s putRequest) *webhook.Rule {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	live, err := r.client.ReadRule(ctx, rule)
	if err != nil || webhook.LiveDigest(live) == s.before || !r.isSent(live, s) {
		return nil
	}
	return live
}

// isSent reports whether a live rule is known to equal the rule that a PUT sends.
// Values without a marker are unknown.
func (r *run) isSent(live *webhook.Rule, s putRequest) bool {
	return live != nil && (r.project.Owner != "" || s.spec.Auth.Len() == 0) && len(live.Spec.Unknown) == 0 &&
		webhook.SpecDigest(live.Spec) == webhook.SpecDigest(s.spec) && sameMarker(webhook.Rule{Spec: s.spec}, *live)
}

// addAttempts adds the attempts and the status of a write.
func (c *Change) addAttempts(w mkio.Write) {
	c.HTTPStatus, c.Ref, c.lost = w.Status, w.Ref, c.lost || w.Lost
	c.Attempts += w.Attempts
}

// verifyPut compares the response to a PUT with the rule that was sent.
func (r *run) verifyPut(ctx context.Context, out *Change, c plan.Change, it preparedRule, answer *webhook.Rule) {
	want := it.desired.Spec
	owned := r.project.Owner != ""
	if owned && !r.hasMarker(answer, r.newMarker(it)) {
		r.haltWrites("the service does not keep the header " + webhook.MarkerHeader + ", by which a rule says who owns it")
		out.fail(StatusUnverified, KindUnverified, "written, but the service does not keep the header "+webhook.MarkerHeader+": nothing can be known of this rule later",
			"run without --owner against this service")
		return
	}
	got := webhook.SpecDigest(answer.Spec)
	if got == webhook.SpecDigest(want) {
		out.Status = StatusApplied
		return
	}
	message := "written, but the service keeps something else in " + strings.Join(differingFields(want, answer.Spec), ", ")
	if !owned {
		out.fail(StatusUnverified, KindUnverified, message, planAgain)
		return
	}
	if !plan.MayBeSpelling(answer.Spec, want) {
		out.fail(StatusUnverified, KindUnverified, message, "look at the live rule: the service does not keep the file's receiver or its enabled, so the next plan shows the difference again")
		return
	}
	r.putKept(ctx, out, c, it, answer)
	if out.Status == "" {
		out.fail(StatusUnverified, KindUnverified, message, "look at the live rule: from now on this counts as the service's own spelling, with a warning")
		return
	}
	// The rule itself is written; only the note of its spelling is not.
	interrupted := out.Error.Kind == KindInterrupted
	out.Status, out.Error.Message = StatusUnverified, message+"; and noting that in its marker did not succeed: "+out.Error.Message
	if !interrupted {
		out.Error.Kind = KindUnverified
	}
}

// hasMarker reports whether a rule carries exactly this marker.
func (r *run) hasMarker(answer *webhook.Rule, want webhook.Marker) bool {
	got, state := webhook.ReadMarker(r.project.Name, *answer)
	return state == webhook.ValidMarker && got == want
}

// putKept writes the rule again, with the digest of the service's spelling in the
// marker, so that the spelling is not drift forever. It leaves out.Status empty if
// that succeeded.
func (r *run) putKept(ctx context.Context, out *Change, c plan.Change, it preparedRule, answer *webhook.Rule) {
	seen := time.Now()
	live, err := r.client.ReadRule(ctx, c.Rule)
	switch {
	case err != nil:
		out.failRead(ctx, err)
		return
	case webhook.LiveDigest(live) != webhook.LiveDigest(answer):
		out.fail(StatusUnverified, KindUnverified, "the live rule is already another one", planAgain)
		return
	}
	marker := r.newMarker(it)
	marker.Kept = webhook.SpecDigest(answer.Spec)
	again, _ := r.sendPut(ctx, out, c, putRequest{step: StepKept, before: webhook.LiveDigest(live), seen: seen, spec: it.desired.Spec.WithMarker(marker), auth: it.auth})
	switch {
	case again == nil:
	case !r.hasMarker(again, marker):
		out.fail(StatusUnverified, KindUnverified, "the service does not keep the marker", planAgain)
	case webhook.SpecDigest(again.Spec) != marker.Kept:
		out.fail(StatusUnverified, KindUnverified, "the service keeps it in another way each time", planAgain)
	}
}
