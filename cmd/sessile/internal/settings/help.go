package settings

// help says what a setting is for; a test holds that none is missing.
func help(name string) string {
	switch name {
	case "addr":
		return "TCP address to listen on; port 0 takes a free one"
	case "tls":
		return "serve HTTPS with a self-signed certificate made at the start"
	case "cookies":
		return "auto, secure (__Host-, for HTTPS) or insecure (for plain HTTP); auto is insecure on a loopback address without -tls"
	case "log_level":
		return "debug, info, warn or error"
	case "fresh_for":
		return "how long a password that was given allows a dangerous action"
	case "remember_for":
		return "idle lifetime of a remembered login; its absolute one is three times that"
	case "trusted_proxies":
		return "addresses or CIDRs, by comma, whose forwarding headers are believed"
	default:
		return storeHelp(name)
	}
}

// storeHelp is for the fields of sessile.Config, which documents them in full.
func storeHelp(name string) string {
	switch name {
	case "store.path":
		return "SQLite file, made if it is missing"
	case "store.create_dirs":
		return "make the file's directory if it is missing, true or false"
	case "store.ttl":
		return "idle timeout of a session"
	case "store.max_lifetime":
		return "absolute timeout of a session, or never"
	case "store.touch_interval":
		return "how old the last-active time gets before a request renews it"
	case "store.rotate_grace":
		return "how long a token lives on after a periodic rotation"
	case "store.max_sessions_per_user":
		return "sessions a user may have at once, or unlimited"
	case "store.max_guests":
		return "sessions without a user, all together"
	case "store.on_limit":
		return "evict_oldest or refuse_new"
	case "store.cache_size":
		return "sessions kept in memory"
	case "store.cache_bytes":
		return "bytes of sessions kept in memory"
	case "store.batch_interval":
		return "how much of data and last-active times a crash may lose"
	case "store.batch_size":
		return "changes written in one go"
	case "store.max_pending":
		return "changes that may wait to be written"
	case "store.max_pending_bytes":
		return "bytes of changes that may wait to be written"
	case "store.cleanup_interval":
		return "how often expired sessions are deleted, or never"
	case "store.max_data_bytes":
		return "bytes of data in one session"
	case "store.close_timeout":
		return "how long the end of the program may take to write everything"
	default:
		return ""
	}
}
