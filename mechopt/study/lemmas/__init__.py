"""Lemmas of the literature as functions: what each claims, measured on an instance of finite types."""
