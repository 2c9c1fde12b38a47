package persist

import "encoding/json"

type Token [32]byte // want token

func next(d *json.Decoder) { d.Token() }
