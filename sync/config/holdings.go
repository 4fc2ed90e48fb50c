package config

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Holdings finds the rules that contain each encrypted value, and the URLs that they
// would send it to. It is lenient: values in invalid files count, and so do values
// that a later layer replaces or removes. A file that several projects name is read
// once. Holdings keeps digests of values only.
type Holdings struct {
	mu    sync.Mutex
	files map[string]*heldFile // by name; nil if the file can't be read
}

// heldFile contains the encrypted values of a file.
type heldFile struct {
	rule, url string
	values    map[string]heldValue // by path, "headers/X-Secret"
	// cuts are path prefixes below which the file removes the values of earlier layers.
	// The empty prefix matches all paths.
	cuts []string
	// stray are values at paths that can't have an encrypted value.
	stray []webhook.ValueDigest
	// shared are the values of a shared secrets file, by key. It is nil for a rule file.
	shared map[string]webhook.ValueDigest
}

// heldValue is an encrypted value or a reference to it. The zero heldValue is
// neither.
type heldValue struct {
	sealed    bool
	digest    webhook.ValueDigest
	file, key string // of a reference
}

// Project returns the values that a project's rules contain, and the files and paths
// that could not be read. paths are the project's layers. The error is the
// context's.
func (h *Holdings) Project(ctx context.Context, project string, paths []string) (held []webhook.Holding, unread []string, err error) {
	sources, problems := collect(paths, &strictness{layered: true})
	for _, p := range problems {
		if p.Severity == schema.Error {
			unread = append(unread, p.File)
		}
	}
	files := make([]*heldFile, len(sources))
	if err := inParallel(ctx, len(sources), func(i int) { files[i] = h.loadFile(sources[i].file) }); err != nil {
		return nil, nil, err
	}
	order := make([]int, 0, len(sources))
	for i := range sources {
		if files[i] == nil {
			unread = append(unread, sources[i].file)
			continue
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return sources[a].layer - sources[b].layer })
	rules := map[string][]layerFile{}
	var names []string
	for _, i := range order {
		if files[i].shared != nil {
			continue
		}
		name := files[i].rule
		if name == "" { // which could be any rule's
			name = "\x00" + sources[i].file
		}
		if rules[name] == nil {
			names = append(names, name)
		}
		rules[name] = append(rules[name], layerFile{files[i], sources[i].layer})
	}
	for _, name := range names {
		held = append(held, h.ruleHoldings(project, rules[name], paths)...)
	}
	slices.Sort(unread)
	return held, slices.Compact(unread), nil
}

// layerFile is a file of a rule and the index of its layer.
type layerFile struct {
	*heldFile
	layer int
}

// ruleHoldings lists the values of a rule after each of its layers. After each layer the
// rule is as a project without the later layers would have it, and its values then
// count. Otherwise whoever writes a later layer could take a value away from its
// rule.
func (h *Holdings) ruleHoldings(project string, docs []layerFile, paths []string) []webhook.Holding {
	var out []webhook.Holding
	seen := map[webhook.Holding]bool{}
	var waiting []webhook.ValueDigest // until a layer defines the URL
	values, url := map[string]heldValue{}, ""
	note := func(digests ...webhook.ValueDigest) {
		waiting = append(waiting, digests...)
		if url == "" {
			return
		}
		for _, d := range waiting {
			one := webhook.Holding{Value: d, Project: project, Rule: docs[0].rule, URL: url}
			if !seen[one] {
				seen[one] = true
				out = append(out, one)
			}
		}
		waiting = nil
	}
	for i, d := range docs {
		for path := range values {
			if slices.ContainsFunc(d.cuts, func(cut string) bool { return strings.HasPrefix(path, cut) }) {
				delete(values, path)
			}
		}
		for path, v := range d.values {
			values[path] = v
		}
		if d.url != "" {
			url = d.url
		}
		note(d.stray...)
		until := len(paths)
		if i+1 < len(docs) {
			until = max(docs[i+1].layer, d.layer+1)
		}
		for _, v := range values {
			if v.sealed {
				note(v.digest)
			}
			for layer := d.layer; layer < until && v.file != ""; layer++ {
				if digest, ok := h.resolveReference(v, paths[:layer+1]); ok {
					note(digest)
				}
			}
		}
	}
	return out
}

// resolveReference returns the value that a reference leads to, from the last layer that has
// it.
func (h *Holdings) resolveReference(v heldValue, layers []string) (webhook.ValueDigest, bool) {
	for _, folder := range slices.Backward(layers) {
		if info, err := os.Stat(folder); err == nil && !info.IsDir() {
			folder = filepath.Dir(folder)
		}
		name := filepath.Join(folder, filepath.FromSlash(v.file))
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() || !isBelow(realPath(name), realPath(folder)) {
			continue
		}
		if f := h.loadFile(name); f != nil {
			if digest, ok := f.shared[v.key]; ok {
				return digest, true
			}
		}
	}
	return webhook.ValueDigest{}, false
}

// loadFile reads a file, once. It returns nil if the file can't be read.
func (h *Holdings) loadFile(name string) *heldFile {
	h.mu.Lock()
	f, known := h.files[name]
	h.mu.Unlock()
	if known {
		return f
	}
	f = readHeldFile(name)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.files == nil {
		h.files = map[string]*heldFile{}
	}
	h.files[name] = f
	return f
}

func readHeldFile(name string) *heldFile {
	d := readDocument(name, Options{}, nil)
	if d.root == nil {
		return nil
	}
	if isShared(d.root) {
		f := &heldFile{shared: map[string]webhook.ValueDigest{}}
		eachEntry(d.root, func(key, value *yaml.Node) {
			if digest, ok := sealedDigest(value); ok && key.Value != "sops" {
				f.shared[key.Value] = digest
			}
		})
		return f
	}
	f := &heldFile{values: map[string]heldValue{}}
	f.rule, _ = d.ruleName()
	_, spec := child(d.root, "spec")
	if _, url := child(spec, "url"); isText(url) && !secrets.LooksSealed(url.Value) {
		f.url = url.Value
	}
	placed := map[*yaml.Node]bool{}
	auth := f.readMapping(d.root, "spec", "")
	auth = f.readMapping(auth, "authentication", "")
	for _, part := range authParts {
		eachEntry(f.readMapping(auth, part, part+"/"), func(key, value *yaml.Node) {
			placed[value] = true
			f.values[part+"/"+key.Value] = heldAt(value)
		})
	}
	f.addStrays(d.root, placed)
	return f
}

// readMapping returns the mapping below a key. If the value is not a mapping, the file
// removes the values of earlier layers below a path.
func (f *heldFile) readMapping(n *yaml.Node, key, path string) *yaml.Node {
	_, value := child(n, key)
	if value != nil && value.Kind != yaml.MappingNode {
		f.cuts = append(f.cuts, path)
	}
	return value
}

// heldAt reads a value under authentication.
func heldAt(n *yaml.Node) heldValue {
	if digest, ok := sealedDigest(n); ok {
		return heldValue{sealed: true, digest: digest}
	}
	_, ref := child(n, secretKey)
	if ref == nil || ref.Kind != yaml.ScalarNode {
		return heldValue{}
	}
	if file, key, ok := strings.Cut(ref.Value, "#"); ok && fs.ValidPath(file) {
		return heldValue{file: file, key: key}
	}
	return heldValue{}
}

// addStrays records the encrypted values that are not in placed.
func (f *heldFile) addStrays(n *yaml.Node, placed map[*yaml.Node]bool) {
	if placed[n] {
		return
	}
	if digest, ok := sealedDigest(n); ok {
		f.stray = append(f.stray, digest)
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "sops" {
			continue // its values are keys, not secrets of rules
		}
		f.addStrays(c, placed)
	}
}

// sealedDigest returns the digest of an encrypted value.
func sealedDigest(n *yaml.Node) (webhook.ValueDigest, bool) {
	if n == nil || n.Kind != yaml.ScalarNode || !secrets.LooksSealed(n.Value) {
		return webhook.ValueDigest{}, false
	}
	return webhook.DigestOfValue(strings.TrimSpace(n.Value)), true
}
