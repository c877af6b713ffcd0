"""Model files: TOML to an environment; a module a kind, and `loading`."""

from mechopt.modelfile.loading import KINDS as KINDS
from mechopt.modelfile.loading import ModelFile as ModelFile
from mechopt.modelfile.loading import bundled as bundled
from mechopt.modelfile.loading import load as load
from mechopt.modelfile.loading import loads as loads
from mechopt.modelfile.loading import parse as parse
from mechopt.modelfile.loading import read as read
from mechopt.modelfile.loading import schema as schema
