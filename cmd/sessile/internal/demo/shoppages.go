package demo

import (
	"net/http"

	"github.com/sessile/sessile/middleware"
)

type homeBody struct {
	Products []product
	Cart     []line
	Total    string
}

func (a *App) home(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	c, err := cartOf(h)
	if err != nil {
		return err
	}
	b := homeBody{Products: products()}
	b.Cart, b.Total = c.lines()
	return a.show(w, r, h, "home", "Shop", b)
}

// addToCart is the first action that stores something for a guest. It creates the guest session.
func (a *App) addToCart(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	p, ok := findProduct(r.PostFormValue("item"))
	if !ok {
		return &refusal{http.StatusNotFound, "This product does not exist."}
	}
	if err := addOne(h, p.ID); err != nil {
		return err
	}
	return a.changed(w, r, h, "/", p.Name+" is in the cart.")
}

func (a *App) emptyCart(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if _, ok := h.Current(); ok {
		for _, key := range cartKeys() {
			if err := h.Delete(key); err != nil {
				return err
			}
		}
		return a.changed(w, r, h, "/", "The cart is empty.")
	}
	seeOther(w, r, "/")
	return nil
}

// addOne puts one more of a product into the cart.
func addOne(h *middleware.Handle, id string) error {
	n, _, err := middleware.Get[int](h, keyCart+id)
	if err != nil {
		return err
	}
	return h.Set(keyCart+id, min(n+1, cartMax))
}

func cartOf(h *middleware.Handle) (cart, error) {
	return readCart(func(key string) (int, bool, error) { return middleware.Get[int](h, key) })
}

// readCart returns the cart whose keys get reads.
func readCart(get func(key string) (int, bool, error)) (cart, error) {
	c := make(cart)
	for _, p := range products() {
		n, ok, err := get(keyCart + p.ID)
		if err != nil {
			return nil, err
		}
		if ok {
			c[p.ID] = n
		}
	}
	return c, nil
}
