"""Who may see and do what: roles, groups, attributes and the Cedar policies that decide with them.

Three rules, in this order:

1.  A role, a package permission or a group must *permit* the action (`roles.cedar`, `groups.cedar`).
2.  What is asked about must lie within reach: public, of one's groups, or of a role that works across groups; and its
    access level, clearance, sensitivity and place must not exceed one's own (`boundaries.cedar`).
3.  Deny wins: a restricted group, a token's scopes or a narrowed context are never outweighed by any permission.

`decisions` asks Cedar; `reach` says the same about reading as a condition that lists put into their SQL. A property
test holds the two against each other and against a model in plain Python.
"""
