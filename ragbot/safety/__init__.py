"""Detects instructions in untrusted text, and removes markup that a generator or a page would act on."""
