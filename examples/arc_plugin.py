"""A plugin of axolotl; its configuration: ``plugins: [arc_plugin.ARCPlugin]``, ``lr_scheduler: constant``."""

from axolotl.integrations.base import BasePlugin

from arc.integrations.transformers import ARCCallback


class ARCPlugin(BasePlugin):
    def add_callbacks_post_trainer(self, cfg, trainer):
        return [ARCCallback()]
