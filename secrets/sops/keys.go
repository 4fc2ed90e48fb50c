package sops

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/keyservice"
	"google.golang.org/grpc"
)

// services maps SOPS's key types to the names of --key-service. age and pgp are
// always allowed: they call no service.
var services = map[string]string{
	"kms": "awskms", "gcp_kms": "gcpkms", "azure_kv": "azkv", "hc_vault": "hcvault", "hckms": "hckms",
}

// serviceName returns the name of a key type for users, as in --key-service; age
// or pgp for the others.
func serviceName(k keys.MasterKey) string {
	t := k.TypeToIdentifier()
	if s, ok := services[t]; ok {
		return s
	}
	return t
}

func isLocal(k keys.MasterKey) bool {
	t := k.TypeToIdentifier()
	return t == "age" || t == "pgp"
}

// refusal is the name of a key's service and the reason why the key must not be
// used.
type refusal struct{ service, reason string }

// reasonNotListed is the only reason that a flag lifts.
const reasonNotListed = "is not allowed"

// allowedGroups returns the key groups without the keys that must not be used.
func (d *Decrypter) allowedGroups(groups []sops.KeyGroup) (out []sops.KeyGroup, refused []refusal) {
	for _, g := range groups {
		var kept sops.KeyGroup
		for _, k := range g {
			if r := d.refusalOf(k); r != nil {
				if !slices.Contains(refused, *r) {
					refused = append(refused, *r)
				}
				continue
			}
			kept = append(kept, k)
		}
		out = append(out, kept)
	}
	return out, refused
}

// refusalOf returns the reason why a key must not be used, or nil.
func (d *Decrypter) refusalOf(k keys.MasterKey) *refusal {
	if isLocal(k) {
		return nil
	}
	service := serviceName(k)
	switch _, known := services[k.TypeToIdentifier()]; {
	case !known:
		return &refusal{service: service, reason: "is a kind of key that this version does not know"}
	case !slices.Contains(d.o.KeyServices, service):
		return &refusal{service: service, reason: reasonNotListed}
	}
	wrapped := keyservice.KeyFromMasterKey(k)
	// Without an address, the Vault client would fall back to an address of its
	// choice.
	if vault := wrapped.GetVaultKey(); vault != nil && (vault.VaultAddress == "" || vault.VaultAddress != d.o.VaultAddr) {
		return &refusal{service: service, reason: "is allowed at VAULT_ADDR only, and the file names another address"}
	}
	return nil
}

// canDecrypt reports whether the remaining groups can decrypt the file. It needs
// one key of the only group, or as many groups as Shamir's threshold requires,
// at least two.
func canDecrypt(groups []sops.KeyGroup, m *sops.Metadata) bool {
	usable := 0
	for _, g := range groups {
		if len(g) > 0 {
			usable++
		}
	}
	return usable > 0 && (len(groups) == 1 || usable >= max(2, m.ShamirThreshold))
}

// guarded is a key service with a timeout and a limit on parallel calls. It
// recovers panics. SOPS passes no context of the caller, so guarded holds it.
type guarded struct {
	*Decrypter
	ctx  context.Context
	late atomic.Bool
	// cause is the last error of a key service. It is never shown, because it
	// may contain a value.
	cause error
	// locked is the reason why a locked key was not unlocked; "" if no key was
	// locked.
	locked string
}

func (g *guarded) timedOut() bool { return g.late.Load() }

var errKeyService = errors.New("the key service failed")

// Decrypt decrypts a data key. It ignores SOPS's context and uses the context
// of the run.
func (g *guarded) Decrypt(_ context.Context, req *keyservice.DecryptRequest, _ ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	var plain []byte
	var err error
	if g.mayPrompt(req) {
		plain, err = g.decryptWithPrompt(req)
	} else {
		plain, err = g.callLimited(req.GetKey(), func(ctx context.Context) ([]byte, error) {
			rsp, err := g.o.KeyService.Decrypt(ctx, req)
			return rsp.GetPlaintext(), err
		})
	}
	if err != nil {
		return nil, err
	}
	return &keyservice.DecryptResponse{Plaintext: plain}, nil
}

// Encrypt encrypts a data key for one recipient.
func (g *guarded) Encrypt(_ context.Context, req *keyservice.EncryptRequest, _ ...grpc.CallOption) (*keyservice.EncryptResponse, error) {
	do := func(ctx context.Context) ([]byte, error) {
		rsp, err := g.o.KeyService.Encrypt(ctx, req)
		return rsp.GetCiphertext(), err
	}
	var sealed []byte
	var err error
	if isPluginRecipient(req.GetKey().GetAgeKey().GetRecipient()) && !g.o.custom {
		if err := g.prompter.turn.Acquire(g.ctx, 1); err != nil {
			return nil, err
		}
		defer g.prompter.turn.Release(1)
		defer g.holdTerminal()()
		sealed, err = g.callInteractive(do)
	} else {
		sealed, err = g.callLimited(req.GetKey(), do)
	}
	if err != nil {
		return nil, err
	}
	return &keyservice.EncryptResponse{Ciphertext: sealed}, nil
}

// callLimited makes one call to a key service, within the limit of parallel calls and
// the timeout.
func (g *guarded) callLimited(key *keyservice.Key, do func(context.Context) ([]byte, error)) ([]byte, error) {
	// age runs in this process, and the caller limits it by its cores. All
	// other keys wait for another program.
	if key.GetAgeKey() == nil {
		if err := g.calls.Acquire(g.ctx, 1); err != nil {
			return nil, err
		}
		defer g.calls.Release(1)
	}
	// The timeout begins here: the wait for a slot is not the fault of the key
	// service.
	ctx, cancel := context.WithTimeout(g.ctx, g.o.Timeout)
	defer cancel()
	return g.callUntilDone(ctx, do)
}

// callInteractive makes one call to a key service that may ask a person. It has no timeout
// if the person can type in a terminal or a window.
func (g *guarded) callInteractive(do func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithCancel(g.ctx)
	if g.o.Terminal == nil && !g.prompter.hasWindows() {
		cancel()
		ctx, cancel = context.WithTimeout(g.ctx, g.o.Timeout)
	}
	defer cancel()
	return g.callUntilDone(ctx, do)
}

// callUntilDone makes one call to a key service and returns when ctx ends.
func (g *guarded) callUntilDone(ctx context.Context, do func(context.Context) ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- result{err: errKeyService}
			}
		}()
		data, err := do(ctx)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		if r.err != nil || len(r.data) == 0 {
			if errors.Is(r.err, context.DeadlineExceeded) {
				g.late.Store(true)
			}
			g.cause = r.err
			return nil, errKeyService
		}
		return r.data, nil
	case <-ctx.Done():
		if g.ctx.Err() == nil {
			g.late.Store(true)
		}
		return nil, ctx.Err()
	}
}
