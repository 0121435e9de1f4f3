"""From public colonoscopy data to a SavedModel bundle."""
