package settings

// help describes a setting. A test checks that none is missing.
func help(name string) string {
	switch name {
	case "addr":
		return "TCP address to listen on; port 0 selects a free port"
	case "tls":
		return "serve HTTPS with a new self-signed certificate"
	case "cookies":
		return "auto, secure (__Host-, for HTTPS) or insecure (for plain HTTP); auto is insecure on a loopback address without -tls"
	case "log_level":
		return "debug, info, warn or error"
	case "fresh_for":
		return "how long after a password check sensitive actions are allowed"
	case "remember_for":
		return "idle timeout of a remembered login; the absolute timeout is three times as long"
	case "trusted_proxies":
		return "comma-separated addresses or CIDRs whose forwarding headers are trusted"
	case "database":
		return "URL of a PostgreSQL database that replaces the SQLite file; several nodes may use one"
	case "database_feed":
		return "URL of the same database without a pooler, if database leads to one"
	case "socket":
		return "Unix socket for the other commands, or none; the default is beside the file"
	case "read_only_admin":
		return "remove every change from the dashboard of the account admin, true or false"
	case "node":
		return "name of this node, shown in the pages and in the header Sessile-Node"
	default:
		return storeHelp(name)
	}
}

// storeHelp describes the fields of sessile.Config, which documents them in full.
func storeHelp(name string) string {
	switch name {
	case "store.path":
		return "SQLite file, created if missing"
	case "store.create_dirs":
		return "create a missing directory of the file, true or false"
	case "store.ttl":
		return "idle timeout of a session"
	case "store.max_lifetime":
		return "absolute timeout of a session, or never"
	case "store.touch_interval":
		return "age of the last access at which a request renews the session"
	case "store.rotate_grace":
		return "how long the old token is accepted after a periodic rotation"
	case "store.max_sessions_per_user":
		return "active sessions per user, or unlimited"
	case "store.max_api_tokens_per_user":
		return "active API tokens per user, or unlimited"
	case "store.max_guests":
		return "sessions without a user, in total"
	case "store.on_limit":
		return "at that limit: evict_oldest or refuse_new"
	case "store.cache_size":
		return "sessions kept in memory"
	case "store.cache_bytes":
		return "bytes of sessions kept in memory"
	case "store.batch_interval":
		return "write-behind window: changes of data and access times that a crash may lose"
	case "store.batch_size":
		return "changes per commit"
	case "store.max_pending":
		return "pending changes before backpressure"
	case "store.max_pending_bytes":
		return "bytes of pending changes before backpressure"
	case "store.cleanup_interval":
		return "how often expired sessions are deleted, or never"
	case "store.max_data_bytes":
		return "maximum bytes of data per session"
	case "store.close_timeout":
		return "how long a shutdown may take to write everything"
	default:
		return ""
	}
}
