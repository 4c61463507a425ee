"""The cloud over HTTP: who asks, the resources, and what runs beside them."""
