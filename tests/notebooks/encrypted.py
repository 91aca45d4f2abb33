"""A plugin for the kernels of nbval: they talk over a port, which ipykernel wants encrypted."""

from jupyter_client.manager import KernelManager

KernelManager.transport_encryption.default_value = "auto"
