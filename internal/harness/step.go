package harness

import (
	"math/rand/v2"
	"time"
)

// Step makes one random call.
func (c *Client) Step(r *rand.Rand) {
	i := r.IntN(1 << 16)
	switch k := r.IntN(100); {
	case k < 26 || c.Live() == 0:
		c.Create(0)
	case k < 36:
		c.Read(i)
	case k < 50:
		c.Update(i, false)
	case k < 58:
		c.Update(i, true)
	case k < 65:
		c.Touch(i)
	case k < 77:
		c.Rotate(i, false)
	case k < 82:
		c.Rotate(i, true)
	case k < 94:
		c.Destroy(i)
	case k < 96:
		c.DestroyOthers(i)
	case k < 97:
		c.DestroyAll()
	case k < 98:
		c.Create(time.Second)
	default:
		_ = c.Sync()
	}
}
