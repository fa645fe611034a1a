"""Releases of an app on a host: the ledger, the lock, ship, rollback, retention."""
