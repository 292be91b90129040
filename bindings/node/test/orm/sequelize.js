'use strict'

const { Sequelize, DataTypes, Transaction } = require('sequelize')

module.exports = async ({ host, port, user, database }) => {
  const sequelize = new Sequelize(database, user, '', { host, port, dialect: 'postgres', logging: false })
  const Thing = sequelize.define('sequelize_thing', {
    name: { type: DataTypes.STRING, unique: true },
    tags: DataTypes.ARRAY(DataTypes.STRING),
    extra: DataTypes.JSONB,
    day: DataTypes.DATEONLY,
    exact: DataTypes.DECIMAL,
    range: DataTypes.RANGE(DataTypes.INTEGER),
  }, { timestamps: false })
  await sequelize.sync()
  const isolationLevel = Transaction.ISOLATION_LEVELS.SERIALIZABLE
  const seen = {
    created: (await Thing.create({ name: 'a', tags: ['q'], extra: { z: 1 }, day: '2020-02-02', exact: 1.5, range: [1, 5] })).toJSON(),
    found: (await Thing.findAll()).map((each) => each.toJSON()),
    inTransaction: await sequelize.transaction({ isolationLevel }, async (transaction) => {
      await Thing.create({ name: 'b' }, { transaction })
      return Thing.count({ transaction })
    }),
    refused: await Thing.create({ name: 'a' }).catch((error) => [error.name, error.fields]),
    raw: (await sequelize.query('select $1::int as n', { bind: [3] }))[0],
    many: (await Thing.bulkCreate([{ name: 'x' }, { name: 'y' }], { returning: true })).map(({ name }) => name),
    version: await sequelize.databaseVersion(),
  }
  await sequelize.close()
  return seen
}
