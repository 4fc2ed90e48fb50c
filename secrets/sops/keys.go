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

// services maps SOPS's names of key types to those of --key-service. age and
// pgp need no leave: they call nobody.
var services = map[string]string{
	"kms": "awskms", "gcp_kms": "gcpkms", "azure_kv": "azkv", "hc_vault": "hcvault", "hckms": "hckms",
}

// serviceOf is what people call a kind of key: as --key-service does, or age or pgp.
func serviceOf(k keys.MasterKey) string {
	t := k.TypeToIdentifier()
	if s, ok := services[t]; ok {
		return s
	}
	return t
}

func local(k keys.MasterKey) bool {
	t := k.TypeToIdentifier()
	return t == "age" || t == "pgp"
}

// refusal is a key that may not be used, and what would allow it.
type refusal struct{ service, reason string }

// reasonNotListed is the one reason that a flag lifts.
const reasonNotListed = "is not allowed"

// allowed returns the key groups with only those keys that may be used.
func (d *Decrypter) allowed(groups []sops.KeyGroup) (out []sops.KeyGroup, refused []refusal) {
	for _, g := range groups {
		var kept sops.KeyGroup
		for _, k := range g {
			if r := d.refuses(k); r != nil {
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

// refuses says why a key may not be used; nil means that it may.
func (d *Decrypter) refuses(k keys.MasterKey) *refusal {
	if local(k) {
		return nil
	}
	service := serviceOf(k)
	switch _, known := services[k.TypeToIdentifier()]; {
	case !known:
		return &refusal{service: service, reason: "is a kind of key that this version does not know"}
	case !slices.Contains(d.o.KeyServices, service):
		return &refusal{service: service, reason: reasonNotListed}
	}
	wrapped := keyservice.KeyFromMasterKey(k)
	// No address at all would be whichever the Vault client falls back to.
	if vault := wrapped.GetVaultKey(); vault != nil && (vault.VaultAddress == "" || vault.VaultAddress != d.o.VaultAddr) {
		return &refusal{service: service, reason: "is allowed at VAULT_ADDR only, and the file names another address"}
	}
	return nil
}

// enough reports whether the groups left can still open the file: one key of
// the only group, or as many groups as Shamir's threshold asks for.
func enough(groups []sops.KeyGroup, m *sops.Metadata) bool {
	usable := 0
	for _, g := range groups {
		if len(g) > 0 {
			usable++
		}
	}
	return usable > 0 && (len(groups) == 1 || usable >= m.ShamirThreshold)
}

// guarded is a key service with a time-out and a limit on calls side by side,
// that no panic leaves. SOPS gives its calls no context of ours, so it has it.
type guarded struct {
	*Decrypter
	ctx  context.Context
	late atomic.Bool
}

func (g *guarded) timedOut() bool { return g.late.Load() }

var errKeyService = errors.New("the key service failed")

// Decrypt opens a data key; the context is that of the whole, not SOPS's.
func (g *guarded) Decrypt(_ context.Context, req *keyservice.DecryptRequest, _ ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	// age is work of this process, which the caller bounds by its cores; all
	// others wait for somebody.
	if req.GetKey().GetAgeKey() == nil {
		if err := g.calls.Acquire(g.ctx, 1); err != nil {
			return nil, err
		}
		defer g.calls.Release(1)
	}
	// Only now: to wait for a turn is no fault of the key service.
	ctx, cancel := context.WithTimeout(g.ctx, g.o.Timeout)
	defer cancel()
	type result struct {
		rsp *keyservice.DecryptResponse
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- result{err: errKeyService}
			}
		}()
		rsp, err := g.o.KeyService.Decrypt(ctx, req)
		done <- result{rsp, err}
	}()
	select {
	case r := <-done:
		if r.err != nil || len(r.rsp.GetPlaintext()) == 0 {
			if errors.Is(r.err, context.DeadlineExceeded) {
				g.late.Store(true)
			}
			return nil, errKeyService
		}
		return r.rsp, nil
	case <-ctx.Done():
		if g.ctx.Err() == nil {
			g.late.Store(true)
		}
		return nil, ctx.Err()
	}
}

// Encrypt is never called: nothing is encrypted here.
func (g *guarded) Encrypt(context.Context, *keyservice.EncryptRequest, ...grpc.CallOption) (*keyservice.EncryptResponse, error) {
	return nil, errKeyService
}
