package apply

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// recallPause adds to d.seen the state that an earlier run saw before it paused the
// rule. It returns false if that cannot be read.
func (d *deletion) recallPause(ctx context.Context) bool {
	live := d.live
	if live.Spec.Enabled || live.Spec.Auth.Len() > 0 {
		return true // no pause leaves such a rule
	}
	marker, state := webhook.ReadMarker(d.project.Name, live)
	if asFile, _ := marker.Applied(live.Spec); state == webhook.ValidMarker && asFile {
		return true // its file disabled it
	}
	note, err := archive.FindPauseNote(ctx, d.deps.Archive, d.project.Name, live)
	if err != nil {
		d.out.failArchive(ctx, err)
		return false
	}
	d.seen.Spec = live.Spec.Clone()
	switch {
	case note != nil:
		d.earlier = true
		d.seen.Spec.Enabled, d.seen.Spec.Auth = note.Enabled, note.Auth
		if note.Records != nil {
			d.shown.Count(*note.Records)
		}
	case webhook.LeftPaused(d.project.Name, live):
		d.earlier, d.seen.Spec.Enabled = true, true
	}
	d.authUnknown = note == nil && state == webhook.ValidMarker && marker.Auth != webhook.AuthDigest(nil)
	if d.earlier {
		d.left = &live
	}
	return true
}

// addPauseNote stores the state that the pause is about to remove, for a run after
// a crash of this run. It returns false if that failed: then nothing is paused.
func (d *deletion) addPauseNote(ctx context.Context, paused webhook.Rule) bool {
	err := archive.AddPauseNote(ctx, d.deps.Archive, d.archiveRequest(), webhook.LiveDigest(&paused))
	if err != nil {
		d.out.failArchive(ctx, err)
	}
	d.recordStep(ctx, d.c, StepNote, d.c.LiveDigest, WriteResult{Error: d.stepError()})
	return err == nil
}

// noteFewer stores a note with a smaller number of records, if err says that the
// history shrank. The service may have removed old records by itself, and the next
// run goes by the smaller number. A history without records adds no note.
func (d *deletion) noteFewer(ctx context.Context, err error) {
	var notWhole *archive.IncompleteError
	if d.left == nil || !errors.As(err, &notWhole) || notWhole.Fewer == 0 {
		return
	}
	r := d.archiveRequest()
	r.Seen = &archive.Seen{}
	r.Seen.Count(notWhole.Fewer)
	err = archive.AddPauseNote(ctx, d.deps.Archive, r, webhook.LiveDigest(d.left))
	var failure *Error
	if err != nil { // the earlier note stays
		failure = &Error{Kind: KindArchive, Message: err.Error()}
	}
	d.recordStep(ctx, d.c, StepNote, webhook.LiveDigest(d.left), WriteResult{Error: failure})
}

// pauseRule does step 2. It returns false if the delete ends here.
func (d *deletion) pauseRule(ctx context.Context) bool {
	before, paused := d.live, d.live
	paused.Spec = d.live.Spec.Clone()
	paused.Spec.Enabled = false
	// The values are unknown, and a mask must never be sent.
	paused.Spec.Auth = webhook.AuthNames{}
	if err := d.shown.Look(ctx, d.readHistory); err != nil {
		d.failStore(ctx, err) // before the pause: the rule continues to deliver
		d.recordStep(ctx, d.c, StepHistory, d.c.LiveDigest, WriteResult{Error: d.stepError()})
		return false
	}
	if !d.addPauseNote(ctx, paused) {
		return false
	}
	answer, found := d.sendPut(ctx, &d.out, d.c, putRequest{
		step: StepPause, before: webhook.LiveDigest(&before), seen: d.at, spec: paused.Spec, auth: secrets.Auth{}, removes: authPaths(before.Spec.Auth),
	})
	if answer == nil {
		d.endUnpaused(ctx, found)
		return false
	}
	// Attempts and status of the change count only the DELETE.
	d.out.Attempts, d.out.HTTPStatus, d.out.Ref, d.out.lost = 0, 0, "", false
	d.wrote, d.live, d.left = true, *answer, answer
	switch {
	case answer.Spec.Enabled:
		d.unpaused = true
		d.out.blockBy(plan.GuardArchive, "the service does not pause the rule; pass --no-pause to store the history of a rule that still delivers")
		return false
	case answer.ID != before.ID:
		d.out.markStale("someone deleted the rule at this moment, and pausing it made it anew")
		return false
	case !sameMarker(before, *answer):
		d.haltWrites("the service does not keep the header " + webhook.MarkerHeader + ", by which a rule says who owns it")
		d.out.fail(StatusUnverified, KindUnverified, "the service lost the header "+webhook.MarkerHeader+" when the rule was paused; it was not deleted", planAgain)
		return false
	case webhook.LiveDigest(answer) != webhook.LiveDigest(&paused):
		// The service spells the rule differently: the note must match its
		// spelling.
		return d.addPauseNote(ctx, *answer)
	}
	return true
}

// endUnpaused ends a delete whose pause did not succeed. found is the rule as it was
// read before a retry, if it was.
func (d *deletion) endUnpaused(ctx context.Context, found *webhook.Rule) {
	if d.out.Status == StatusStale {
		if d.out.lost && found != nil && !found.Spec.Enabled && found.Spec.Auth.Len() == 0 {
			d.wrote, d.left = true, found // an attempt took effect, then another client changed the rule
		}
		return
	}
	d.out.Error.Message = "pausing it before the delete: " + d.out.Error.Message
	// Without a response that clearly refuses, it is unknown whether the pause took
	// effect.
	if d.out.Attempts > 0 && (d.out.lost || !refuses(d.out.HTTPStatus)) && !d.unchanged(ctx) {
		d.out.Left = &Left{AuthRemoved: authPaths(d.seen.Spec.Auth), Uncertain: StepPause}
	}
}

// unchanged reports whether a pause that the service answered with an error had no
// effect: the rule was read and is as before. An attempt without a response may take
// effect later.
func (d *deletion) unchanged(ctx context.Context) bool {
	if class := d.out.HTTPStatus / 100; d.out.lost || class != 3 && class != 4 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	live, err := d.client.ReadRule(ctx, d.c.Rule)
	return err == nil && live != nil && webhook.LiveDigest(live) == webhook.LiveDigest(&d.live)
}

// refuses reports whether a status says that a write had no effect. A 404, for
// example, does not: nobody sends it for a PUT that may create the rule.
func refuses(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		return true
	}
	return false
}

// sameMarker reports whether a PUT kept the rule's marker, or its absence.
func sameMarker(before, after webhook.Rule) bool {
	value := func(r webhook.Rule) []string {
		var out []string
		for name, v := range r.Spec.Headers {
			if webhook.IsMarkerHeader(name) {
				out = append(out, webhook.HeaderValue(v))
			}
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(value(before), value(after))
}
