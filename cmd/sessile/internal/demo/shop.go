package demo

import (
	"fmt"
	"slices"
)

// Keys of the session data. The cart has a key for each product, so that parallel requests that add
// different products do not replace each other's changes.
const (
	keyCart  = "cart." // and the product's ID: int, kept at login
	keyCount = "count" // int, not kept at login
)

// cartKeys returns the keys of the cart.
func cartKeys() []string {
	var keys []string
	for _, p := range products() {
		keys = append(keys, keyCart+p.ID)
	}
	return keys
}

// product is something that the shop sells.
type product struct {
	ID, Name, About string
	Cents           int
	Drawing         string // SVG path in a 24 by 24 box
}

// Price returns the price in euros.
func (p product) Price() string { return euros(p.Cents) }

// products lists everything that the shop sells.
func products() []product {
	return []product{
		{"barnacle", "Barnacle", "Sits where you put it.", 450, "M3 20c1-8 4-14 9-14s8 6 9 14zM9 20c0-5 1-9 3-9s3 4 3 9"},
		{"anemone", "Sea anemone", "Waves back.", 1250, "M8 20h8l-1-7H9zM9 13C7 10 6 8 6 5M12 13V4M15 13c2-3 3-5 3-8M10.5 13C9 10 9 7 9 5M13.5 13C15 10 15 7 15 5"},
		{"sponge", "Sponge", "Soaks up the rest of the day.", 799, "M6 8c0-3 12-3 12 0v9c0 3-12 3-12 0zM10 10h.01M14 10h.01M12 13h.01M9 15h.01M15 15h.01"},
		{"coral", "Coral", "A whole colony, by the branch.", 3200, "M12 21V9M12 14c-4 0-5-3-5-6M12 12c4 0 5-3 5-6M7 11c-2 0-3-1-3-3M17 9c2 0 3-1 3-3M12 9c0-2-1-3-2-5"},
	}
}

// cart maps product IDs to counts.
type cart map[string]int

// cartMax bounds the count of one product, because the size of the session data is limited.
const cartMax = 99

// count returns the number of items in the cart.
func (c cart) count() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// line is one product in the cart.
type line struct {
	Name  string
	Count int
	Cents int
}

// Sum returns the price of the line in euros.
func (l line) Sum() string { return euros(l.Cents) }

// lines returns the cart in the order of the products, and its total.
func (c cart) lines() ([]line, string) {
	var all []line
	total := 0
	for _, p := range products() {
		if n := c[p.ID]; n > 0 {
			all = append(all, line{p.Name, n, n * p.Cents})
			total += n * p.Cents
		}
	}
	return all, euros(total)
}

func findProduct(id string) (product, bool) {
	all := products()
	i := slices.IndexFunc(all, func(p product) bool { return p.ID == id })
	if i < 0 {
		return product{}, false
	}
	return all[i], true
}

func euros(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
