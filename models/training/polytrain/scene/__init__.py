# SPDX-License-Identifier: Apache-2.0
"""What is shown: groups of scenes, and whether it is indoors."""
