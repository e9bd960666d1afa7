# SPDX-License-Identifier: Apache-2.0
"""Speech recognition that reads lips."""
