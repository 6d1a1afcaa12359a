"""What a provider says, judged without one: forgeries, key rings, discovery."""
