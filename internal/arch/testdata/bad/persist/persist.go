package persist

import (
	"encoding/json"
	"sync"        // want shunned-import
	"sync/atomic" // allowed: the registered engine
)

type Token [32]byte // want token

func next(d *json.Decoder) { d.Token() }
