# SPDX-License-Identifier: Apache-2.0
"""Lips and sound: whether they belong together, and who speaks."""
