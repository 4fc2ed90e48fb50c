// Command linksops links the parts of SOPS that mkhooks uses and does nothing.
// It measures the floor for the start of mkhooks.
package main

import (
	"fmt"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/stores"
)

// uses keeps the linker from dropping symbols without a call.
var uses = []any{sops.Tree{}, aes.NewCipher, keyservice.NewLocalClient, stores.ExtractMetadata}

func main() { fmt.Println("linked", len(uses), "parts of SOPS") }
