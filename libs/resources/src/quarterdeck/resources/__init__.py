"""The kinds of Quarterdeck: models, validation, expressions and generated schemas.

Import what you need from the submodules. Nothing heavy (CEL, JSON Schema, cron) is imported
until it is used, so importing this package stays cheap.
"""
